"""The query function in a warm process: invocations of its entry point, one after another."""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

Figures = Mapping[str, Any]


def main() -> None:
    """Run the same query several times; print the seconds of each and figures of the last response."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", help="an operation of the query function, or region_status")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--fresh-seconds", type=int, default=None)
    parser.add_argument("--limit", type=int, default=None, help="one page of so many servers, instead of all pages")
    parser.add_argument("--further", type=int, default=0, help="1: each repetition reads the page after the one before")
    parser.add_argument("--host-number", type=int, default=None, help="only servers with it in their host name")
    options = parser.parse_args()
    if options.fresh_seconds is not None:
        os.environ["INVENTORY_FRESH_SECONDS"] = str(options.fresh_seconds)
    query = _region_status() if options.job == "region_status" else _operation(options)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, cpu_seconds = list[float](), list[float]()
    figures: Figures = {}
    for _ in range(options.times):
        at, cpu = time.perf_counter(), time.process_time()
        figures = query()
        seconds.append(time.perf_counter() - at)
        cpu_seconds.append(time.process_time() - cpu)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "grown_mb": grown_mb, **figures}))


def _operation(options: argparse.Namespace) -> Callable[[], Figures]:
    name, limit = options.job, options.limit
    filters = {} if options.host_number is None else {"filters": {"hostname": f"ip-10-{options.host_number}-"}}
    from service.handlers.query import lambda_handler  # noqa: PLC0415 - its import counts towards the first query

    following = ""

    def query() -> Figures:
        nonlocal following
        shown, pages, token = 0, 0, following
        while pages == 0 or (token and limit is None):
            params = {"nextToken": token, "limit": str(limit or ""), **filters}
            body = lambda_handler({"operation": name, "queryParams": params}, None)
            if "error" in body:
                raise SystemExit(f"{name}: {body}")
            shown, pages, token = shown + body["count"], pages + 1, body.get("nextToken", "")
        following = token if options.further else ""
        return {"servers": shown, "pages": pages, "source": body["source"], "complete": body["complete"]}

    return query


def _region_status() -> Callable[[], Figures]:
    from service.handlers.query import runtime  # noqa: PLC0415
    from service.query_app import QueryApp  # noqa: PLC0415

    async def read(app: QueryApp) -> Figures:
        app.status.invalidate()  # the 60 s cache is not what is measured
        rows = await app.status.rows()
        return {"regions": len(rows), "complete": True} if isinstance(rows, tuple) else {"complete": False}

    return lambda: runtime.run(read)


if __name__ == "__main__":
    main()
