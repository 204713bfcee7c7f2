"""The engine in a warm process: the same sync several times, as a Lambda function runs it."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from service.app import App, open_app
from service.context import SyncRequest
from service.gc_tuning import tune_gc
from service.settings import load_settings


async def _work(job: str, request: SyncRequest, times: int) -> dict[str, Any]:
    seconds, cpu_seconds, report = list[float](), list[float](), dict[str, Any]()
    async with open_app(load_settings()) as app:
        for _ in range(times):
            began, cpu = time.perf_counter(), time.process_time()
            report = await _JOBS[job](app, request)
            seconds.append(time.perf_counter() - began)
            cpu_seconds.append(time.process_time() - cpu)
    figures = {name: value for name, value in report.items() if isinstance(value, int | float | str)}
    # The minimum, because other load on the machine only adds time.
    cpu_ms, scopes = 1000 * min(cpu_seconds), report["scopes"]
    scanned = scopes["asked"] - scopes["skipped"]
    return {
        **figures,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "scopes_scanned": scanned,
        "cpu_ms_per_server": cpu_ms / max(1, int(report.get("serversSynced", 0))),
        "cpu_ms_per_scope": cpu_ms / max(1, scanned),
    }


_JOBS = {
    "inventory": App.sync_inventory,
    "staging": App.sync_staging,
    "tags": App.sync_tags,
}


def main() -> None:
    """Run the job several times; print wall and CPU seconds of each run and the figures of the last report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=list(_JOBS))
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--full-scan", type=int, default=0, help="1: every region, active or not")
    options = parser.parse_args()
    tune_gc()
    request = SyncRequest(full_scan=bool(options.full_scan))
    print(json.dumps(asyncio.run(_work(options.job, request, options.times))))


if __name__ == "__main__":
    main()
