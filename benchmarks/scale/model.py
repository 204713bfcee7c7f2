"""Cost model of an estate: pure functions of its size. Formulas and sources are in docs/scale.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.scale import facts
from service.sync.engine.shards import shard_count

__all__ = ["Estate", "Plan", "monthly_dollars", "plan"]


@dataclass(frozen=True, slots=True)
class Estate:
    """Size of an estate and how it is synced.

    Args:
        accounts: target accounts.
        regions: regions in which each of them has servers.
        servers: servers per account and region.
        per_hour: inventory syncs per hour.
        changes_per_day: changes per server and day that the inventory must show: state, tags, hardware.
        accounts_per_shard: ACCOUNTS_PER_SHARD.
        memory_gb: memory of the function, which determines its share of a core.
        drs_latency_s: duration of one call.
        scopes_at_once: scopes scanned concurrently.
    """

    accounts: int = 5000
    regions: int = 5
    servers: int = 300
    per_hour: float = 4.0
    changes_per_day: float = 1.0
    accounts_per_shard: int = 200
    memory_gb: float = 1.0
    drs_latency_s: float = 0.08
    scopes_at_once: int = 32

    @property
    def scopes(self) -> int:
        """Number of scopes with servers."""
        return self.accounts * self.regions

    @property
    def idle(self) -> int:
        """Number of scopes without servers."""
        return self.accounts * max(0, facts.REGIONS - self.regions)

    @property
    def all_servers(self) -> int:
        """Total number of servers."""
        return self.scopes * self.servers

    @property
    def runs(self) -> float:
        """Inventory syncs per month."""
        return self.per_hour * facts.HOURS_PER_MONTH


@dataclass(frozen=True, slots=True)
class Plan:
    """Cost of an estate: `calls` per sync, dollars and units per month, `heat` as shares of a partition's limit."""

    estate: Estate
    calls: dict[str, float]
    naive_drs_calls: float
    shards: int
    seconds: dict[str, float]
    write_units: dict[str, float]
    naive_write_units: float
    units_per_server: float
    read_units: float
    dollars: dict[str, float]
    first_dollars: float
    heat: dict[str, float]
    limits: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON members."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "estate"} | {
            "estate": {name: getattr(self.estate, name) for name in self.estate.__slots__},
            "dollarsPerMonth": sum(self.dollars.values()),
        }


def plan(estate: Estate) -> Plan:
    """Calculate the plan of an estate."""
    shards = shard_count(estate.accounts, per_shard=estate.accounts_per_shard)
    calls, writes = _calls(estate), _write_units(estate, shards)
    reads = estate.runs * estate.scopes * math.ceil(estate.servers * facts.ITEM_KB / 4) * 0.5
    seconds = _seconds(estate, shards, sum(calls.values()))
    return Plan(
        estate=estate,
        calls=calls,
        naive_drs_calls=float(estate.idle + estate.scopes * math.ceil(estate.servers / facts.PAGE)),
        shards=shards,
        seconds=seconds,
        write_units=writes,
        naive_write_units=estate.runs * estate.all_servers * facts.UNITS_CHANGED_SERVER,
        units_per_server=sum(writes.values()) / estate.all_servers if estate.all_servers else 0.0,
        read_units=reads,
        dollars=_dollars(estate, shards, seconds["a shard"], sum(writes.values()), reads),
        first_dollars=estate.all_servers * facts.UNITS_NEW_SERVER * facts.WRITE_UNIT,
        heat=_heat(estate, shards, seconds["a shard"]),
        limits=_limits(estate, shards, seconds["a shard"]),
    )


def _calls(estate: Estate) -> dict[str, float]:
    """Count the calls of one sync in steady state."""
    per_day = estate.per_hour * 24
    sessions = max(1.0, (3600 / estate.per_hour) / facts.ROLE_S) if estate.per_hour else 0.0
    return {
        "DescribeSourceServers, active": float(estate.scopes * math.ceil(estate.servers / facts.PAGE)),
        "DescribeSourceServers, discovery": estate.idle / facts.WINDOW_RUNS,
        "GetReplicationConfiguration": estate.all_servers * facts.RUNS_PER_DAY_OF_DETAILS / per_day,
        "DescribeInstances": float(estate.scopes * math.ceil(estate.servers / facts.EC2_PAGE)),
        "AssumeRole": estate.accounts * min(1.0, sessions),
        "DynamoDB Query": float(estate.scopes * math.ceil(estate.servers * facts.ITEM_KB / 1000)),
        "DynamoDB writes": estate.all_servers * estate.changes_per_day / per_day / 25 + estate.scopes,
    }


def _values_units(estate: Estate) -> int:
    """Return the write units of the moving values of one scope, written once a sync."""
    per_server = facts.CALM_BYTES + facts.TROUBLED_SHARE * (facts.TROUBLED_BYTES - facts.CALM_BYTES)
    return math.ceil((facts.VALUES_ITEM_BYTES + per_server * estate.servers) / 1024)


def _row_units(estate: Estate) -> int:
    """Return the write units of a row of region status at most; a small one is in a transaction, which doubles them."""
    units = math.ceil((facts.ROW_BYTES + facts.ENTRY_BYTES * estate.accounts) / 1024)
    return max(units, 2 * min(units, facts.TRANSACTION_ROW_KB))


def _write_units(estate: Estate, shards: int) -> dict[str, float]:
    """Count write units per month."""
    days = facts.HOURS_PER_MONTH / 24
    # Each shard writes one packed row per region scanned: the active ones and those due for discovery. At its end the
    # sync writes every row once more, with the age of the inventory.
    rows = min(facts.REGIONS, estate.regions + math.ceil((facts.REGIONS - estate.regions) / facts.WINDOW_RUNS))
    row_units = _row_units(estate)
    return {
        "changed servers": estate.all_servers * estate.changes_per_day * days * facts.UNITS_CHANGED_SERVER,
        "moving values": estate.runs * estate.scopes * _values_units(estate),
        "region status": estate.runs * (shards * rows + facts.REGIONS) * row_units,
    }


def _seconds(estate: Estate, shards: int, calls: float) -> dict[str, float]:
    """Return the time of a shard: the larger of its CPU time and its calls' latency divided by the concurrency."""
    core = min(1.0, estate.memory_gb / facts.CORE_GB)
    cpu = estate.all_servers / shards * facts.CPU_S_PER_SERVER / core
    waiting = calls / shards * estate.drs_latency_s / estate.scopes_at_once
    one_process = max(
        estate.all_servers * facts.CPU_S_PER_SERVER / core, calls * estate.drs_latency_s / estate.scopes_at_once
    )
    return {
        "CPU of a shard": cpu,
        "calls of a shard": waiting,
        "a shard": max(cpu, waiting),
        "one process": one_process,
    }


def _dollars(estate: Estate, shards: int, shard_s: float, writes: float, reads: float) -> dict[str, float]:
    stored_gb = estate.all_servers * (facts.TABLE_KB_PER_SERVER + 3 * facts.ITEM_KB) / 1e6
    transitions = 4 + 2 * shards + (3 * shards if shards > 1 else 0)
    return {
        "DynamoDB writes": writes * facts.WRITE_UNIT,
        "DynamoDB reads": reads * facts.READ_UNIT,
        "DynamoDB storage": stored_gb * facts.GB_MONTH,
        "Lambda": estate.runs * shards * (shard_s * estate.memory_gb * facts.LAMBDA_GB_S + facts.LAMBDA_REQUEST),
        "Step Functions": estate.runs * transitions * facts.TRANSITION if shards > 1 else 0.0,
        "logs": estate.runs * shards * facts.LOG_BYTES_PER_RUN / 1e9 * facts.LOG_GB,
    }


def monthly_dollars(estate: Estate, sync_s: float) -> dict[str, float]:
    """Return the dollars per month of an estate that one function syncs, each sync taking `sync_s`, as measured."""
    compute = sync_s * estate.memory_gb * facts.LAMBDA_GB_S + facts.LAMBDA_REQUEST
    return {**plan(estate).dollars, "Lambda": estate.runs * compute}


def _heat(estate: Estate, shards: int, shard_s: float) -> dict[str, float]:
    """Return the load of the hottest partition of each table and index, as a share of the limit of one partition.

    Assumes that the writes of a sync spread evenly over the time of its shards, and those of one account over a second.
    """
    duration_s = max(1.0, math.ceil(shards / facts.SHARDS_AT_ONCE) * shard_s)
    changed = estate.all_servers * estate.changes_per_day / (estate.per_hour * 24 or 1.0)
    units = facts.UNITS_CHANGED_SERVER / 4
    row_units = _row_units(estate)
    per_region = changed / max(1, estate.regions)
    return {
        "inventory, by server": units / facts.PARTITION_WRITES,
        "SourceAccountIndex, one account": changed / max(1, estate.accounts) * units / facts.PARTITION_WRITES,
        "ReplicationRegionIndex, one region": per_region * units / duration_s / facts.PARTITION_WRITES,
        "moving values, one scope": _values_units(estate) / facts.PARTITION_WRITES,
        "topology, by server": facts.UNITS_TOPOLOGY / facts.PARTITION_WRITES,
        "region status, one row": (shards + 1) * row_units / duration_s / facts.PARTITION_WRITES,
    }


def _limits(estate: Estate, shards: int, shard_s: float) -> dict[str, float]:
    """Return the use of AWS limits as shares; 1 is the limit."""
    row_kb = (facts.ROW_BYTES + facts.ENTRY_BYTES * estate.accounts) / 1024
    return {
        "row of the status table, 400 KB": row_kb / facts.ITEM_LIMIT_KB,
        "a shard's time, 15 minutes": shard_s / facts.FUNCTION_S,
        "AssumeRole, 600 a second": min(facts.SHARDS_AT_ONCE, shards) * facts.STS_RATE / facts.STS_PER_S,
        "functions at once, 1,000": min(facts.SHARDS_AT_ONCE, shards) / 1000,
    }
