"""One sync as many runs side by side: the shards, their summaries, and the report of all of them. Pure.

Two numbers identify a shard, so nothing has to be stored between planning and working: shard i of n takes the accounts
whose checksum leaves i when divided by n, whatever the table of accounts holds by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from service.models import Coverage, Problem, RegionStatus
from service.sync.engine.report import status_of

__all__ = ["MAX_SHARDS", "UNKNOWN", "Lost", "merged", "shard_count", "summary"]

MAX_SHARDS: Final = 50
"""Step Functions hands at most 256 KB from state to state; 50 summaries fit with room to spare."""

UNKNOWN: Final = "scopesUnknown"
"""Member of the inventory sync's report: scopes that were unknown before the run; null where that cannot be told."""

_ROOM_BYTES: Final = 200_000
_SUMS: Final = ("apiCallsTotal", "apiCallsThrottled", "drsCalls", "apiCallsFullScan", "timeSavedSeconds", "accounts")
_LISTED: Final = ("scanned", "skipped", "failed", "newlyActive", "active")
_CARRIED: Final = (
    "operation",
    "regionSource",
    "regionReason",
    "regionsActive",
    "regions",
    "scopes",
    "serversByRegion",
    "apiCalls",
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A shard that ended without a report: how many scopes it was to scan and to skip, and why it ended."""

    index: int
    accounts: int
    scopes: int
    skipped: int
    reason: str


def shard_count(accounts: int, *, per_shard: int) -> int:
    """Return the number of shards for so many accounts: as few as hold `per_shard` each on average, at most 50."""
    return max(1, min(MAX_SHARDS, -(-accounts // per_shard)))


def summary(report: Mapping[str, Any], *, counts: Sequence[str], shards: int) -> dict[str, Any]:
    """Return the part of a shard's report that the report of all needs, in its share of what Step Functions carries.

    Errors and warnings that do not fit are counted; the log of the shard's run has them all.

    Args:
        report: the shard's.
        counts: the report's members that say what came of servers; they are summed.
        shards: how many share the room.
    """
    found: dict[str, Any] = {name: report[name] for name in _CARRIED}
    found["sums"] = {name: report[name] for name in (*_SUMS, *counts)}
    found |= {UNKNOWN: report[UNKNOWN]} if UNKNOWN in report else {}
    found["isOutOfTime"] = any(error["code"] == "DeadlineExceeded" for error in report["errors"])
    room = _ROOM_BYTES // shards - len(orjson.dumps(found)) - 200
    for name in ("errors", "warnings"):
        kept, room = _that_fit(report[name], room)
        found |= {name: kept, f"{name}Omitted": len(report[name]) - len(kept)}
    return found


def _that_fit(problems: Sequence[Mapping[str, Any]], room: int) -> tuple[list[Mapping[str, Any]], int]:
    kept = []
    for problem in problems:
        room -= len(orjson.dumps(problem)) + 1
        if room < 0:
            break
        kept.append(problem)
    return kept, max(0, room)


def merged(
    summaries: Sequence[Mapping[str, Any]],
    lost_shards: Sequence[Lost],
    *,
    operation: str,
    counts: Sequence[str],
    started_at: str,
    duration_s: float,
) -> dict[str, Any]:
    """Merge the summaries of all shards into one report, in the form of a single run's.

    Args:
        summaries: of the shards that reported.
        lost_shards: the others; their scopes have failed, since nothing was scanned.
        operation: the sync's name.
        counts: as in `summary`.
        started_at: when the plan was made.
        duration_s: seconds since.
    """
    sums = _added(each["sums"] for each in summaries)
    scopes = _added(each["scopes"] for each in summaries)
    scopes["asked"] += sum(each.scopes + each.skipped for each in lost_shards)
    scopes[Coverage.FAILED] += sum(each.scopes for each in lost_shards)
    scopes[Coverage.SKIPPED] += sum(each.skipped for each in lost_shards)
    regions = {name: sorted({region for each in summaries for region in each["regions"][name]}) for name in _LISTED}
    regions["skipped"] = [region for region in regions["skipped"] if region not in regions["scanned"]]
    servers = _added(each["serversByRegion"] for each in summaries)
    problems = {
        name: [problem for each in summaries for problem in each[name]]
        + ([_of(each) for each in lost_shards] if own else [])
        for name, own in (("errors", True), ("warnings", False))
    }
    omitted = {f"{name}Omitted": sum(each[f"{name}Omitted"] for each in summaries) for name in problems}
    saved, full = sums["apiCallsFullScan"] - sums["drsCalls"], sums["apiCallsFullScan"]
    source, reason = _why(summaries)
    return {
        "operation": operation,
        "status": status_of(
            Counter({each: scopes[each] for each in Coverage}), len(problems["errors"]) + omitted["errorsOmitted"]
        ),
        "regionsScanned": len(regions["scanned"]),
        "regionsSkipped": len(regions["skipped"]),
        "regionsFailed": len(regions["failed"]),
        "regionsActive": _active(summaries, regions["active"]),
        "regionSource": source,
        "regionReason": reason,
        "regions": regions,
        "accounts": int(sums["accounts"]) + sum(each.accounts for each in lost_shards),
        "scopes": {name: int(scopes[name]) for name in ("asked", *map(str, Coverage), "discovery")},
        "serversByRegion": {region: int(count) for region, count in sorted(servers.items())},
        "serversSynced": int(servers.total()),
        **{name: int(sums[name]) for name in counts},
        "apiCalls": _calls(summaries),
        **{name: int(sums[name]) for name in ("apiCallsTotal", "apiCallsThrottled", "drsCalls", "apiCallsFullScan")},
        "apiCallReductionPercent": round(100 * saved / full, 1) if full else 0.0,
        "durationSeconds": round(duration_s, 3),
        "timeSavedSeconds": round(sums["timeSavedSeconds"], 3),
        "startedAt": started_at,
        **_unknown(summaries),
        **problems,
        **omitted,
        "shards": {"asked": len(summaries) + len(lost_shards), "lost": [each.index for each in lost_shards]},
    }


def _added(parts: Iterable[Mapping[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total


def _calls(summaries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    services = sorted({service for each in summaries for service in each["apiCalls"]})
    return {
        service: dict(sorted(_added(each["apiCalls"].get(service, {}) for each in summaries).items()))
        for service in services
    }


def _why(summaries: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return why these regions were scanned: as most shards say; a fallback of one of them comes first."""
    reasons = Counter((each["regionSource"], each["regionReason"]) for each in summaries)
    fallbacks = [each for each in reasons if each[0].startswith("fallback")]
    ranked = sorted(reasons, key=lambda each: (each not in fallbacks, -reasons[each], each))
    return ranked[0] if ranked else ("unknown", "no shard has reported")


def _active(summaries: Sequence[Mapping[str, Any]], regions: Sequence[str]) -> int | None:
    """Return the number of active regions; None where no shard could read region status."""
    return len(regions) if any(each["regionsActive"] is not None for each in summaries) else None


def _unknown(summaries: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Return how many scopes were unknown, for a sync that says so; None where no shard could tell."""
    if not any(UNKNOWN in each for each in summaries):
        return {}
    counts = [each[UNKNOWN] for each in summaries if each.get(UNKNOWN) is not None]
    return {UNKNOWN: sum(counts) if counts else None}


def _of(lost: Lost) -> dict[str, Any]:
    problem = Problem(
        "ShardFailed",
        f"shard {lost.index} with {lost.accounts} accounts ended without a report: {lost.reason[:300]}",
        RegionStatus.ERROR,
        "lambda",
        "Invoke",
        advice="read the function's log of that time; the next run scans these accounts again",
    )
    return {**problem.as_json(), "regions": []}
