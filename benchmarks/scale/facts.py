"""Constants of the cost model: prices and limits with their sources, and measurements checked by `tests/scale`."""

from __future__ import annotations

from typing import Final

from service.partitions import partition_of

# Measured: one server with its topology, its four names and its three indexes (tests/scale/test_measured.py).
UNITS_NEW_SERVER: Final = 31.5
"""Write units for a new server, all its items and indexes together."""
UNITS_TOPOLOGY: Final = 4.0
"""Write units for the topology of a new server, in a transaction, which doubles them; its table has no index."""
UNITS_CHANGED_SERVER: Final = 16.0
"""Write units for a server that has changed: 3.5 KB are 4 units, in the table and in each of three indexes."""
UNITS_ANNOUNCEMENT: Final = 8.0
"""Write units for the events of a scope of 300 servers, in a scan that finds changes to announce; else none."""
ITEM_KB: Final = 3.5
"""Size of a server's item with its topology."""
CALM_BYTES: Final = 9.0
"""Moving values of a server that keeps up, in the item of its scope."""
TROUBLED_BYTES: Final = 23.5
"""The same of a server with a lag, a backlog and an ETA."""
TROUBLED_SHARE: Final = 0.2  # assumption
VALUES_ITEM_BYTES: Final = 1400.0
"""Keys and summary of a scope's moving values; half as much where all its servers are ready."""
TABLE_KB_PER_SERVER: Final = 5.6
"""Server, topology and names in both tables; each index of the server's item is another ITEM_KB."""
CPU_S_PER_SERVER: Final = 0.0007
"""CPU of a warm sync per unchanged server (docs/performance.md: 0.42 s for 600)."""
ENTRY_BYTES: Final = 20.0
"""One account in a packed row of the status table (tests/unit/regions/test_status_codec.py)."""
ROW_BYTES: Final = 300.0
TRANSACTION_ROW_KB: Final = 4
"""Rows up to this size are written together (`service/regions/status_writer.py`)."""

# Behaviour of the engine.
PAGE: Final = 200  # servers per DescribeSourceServers call (DRS_PAGE_SIZE)
EC2_PAGE: Final = 200  # instances per DescribeInstances call
WINDOW_RUNS: Final = 8  # discovery: each idle scope once in two hours, at a run every 15 minutes
RUNS_PER_DAY_OF_DETAILS: Final = 1  # replication configurations are read again once a day
ROLE_S: Final = 780.0  # a session is used for 13 of its 15 minutes
REGIONS: Final = len(partition_of("us-east-1").drs_regions)

# Limits (AWS documentation, as of 2026).
PARTITION_WRITES: Final = 1000.0  # write units per second and partition
PARTITION_READS: Final = 3000.0  # read units per second and partition
STS_PER_S: Final = 600.0  # per account and region of the caller
STS_RATE: Final = 50.0  # of one shard (service/aws/rate_limit.py)
SHARDS_AT_ONCE: Final = 10  # MaxConcurrency of the state machine
CORE_GB: Final = 1.77  # memory with which a function has a full core
ITEM_LIMIT_KB: Final = 400.0
FUNCTION_S: Final = 890.0  # a function's 15 minutes, less the time reserved for the report

# Prices in us-east-1, dollars (AWS price lists, as of 2026).
WRITE_UNIT: Final = 0.625e-6
READ_UNIT: Final = 0.125e-6
GB_MONTH: Final = 0.25
LAMBDA_GB_S: Final = 0.0000133334  # arm64
LAMBDA_REQUEST: Final = 0.20e-6
TRANSITION: Final = 0.025e-3  # Step Functions, standard workflows
LOG_GB: Final = 0.50
LOG_BYTES_PER_RUN: Final = 30_000.0  # estimate: the report's line, one line per region, metrics

HOURS_PER_MONTH: Final = 730.0
