"""The query function, warm: its real entry point, one invocation after another in one process."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

Said = Mapping[str, Any]


def main() -> None:
    """Ask the same question several times; print the seconds of each, and what the last answer said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", help="an operation of the query function, or region_status")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--fresh-seconds", type=int, default=None)
    asked = parser.parse_args()
    if asked.fresh_seconds is not None:
        os.environ["INVENTORY_FRESH_SECONDS"] = str(asked.fresh_seconds)
    ask = _region_status() if asked.job == "region_status" else _operation(asked.job)
    seconds: list[float] = []
    said: Said = {}
    for _ in range(asked.times):
        at = time.perf_counter()
        said = ask()
        seconds.append(time.perf_counter() - at)
    print(json.dumps({"seconds": seconds, **said}))


def _operation(name: str) -> Callable[[], Said]:
    from service.handlers.query import lambda_handler  # noqa: PLC0415 - its import counts towards the first answer

    def ask() -> Said:
        shown, pages, token = 0, 0, None
        while pages == 0 or token:
            body = lambda_handler({"operation": name, "queryParams": {"nextToken": token} if token else {}}, None)
            if "error" in body:
                raise SystemExit(f"{name}: {body}")
            shown, pages, token = shown + body["count"], pages + 1, body.get("nextToken")
        return {"servers": shown, "pages": pages, "source": body["source"], "complete": body["complete"]}

    return ask


def _region_status() -> Callable[[], Said]:
    from service.handlers.query import runtime  # noqa: PLC0415
    from service.query_app import QueryApp  # noqa: PLC0415

    async def read(app: QueryApp) -> Said:
        app.status.invalidate()  # the 60 s of shared reading are what is not measured here
        rows = await app.status.rows()
        return {"regions": len(rows), "complete": True} if isinstance(rows, tuple) else {"complete": False}

    return lambda: runtime.run(read)


if __name__ == "__main__":
    main()
