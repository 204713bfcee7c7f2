"""The simple script in a thread pool, ten scopes at a time."""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contestants import plain


def main() -> None:
    """Put every server of every region into the inventory; print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["inventory"])
    parser.parse_args()
    began = time.perf_counter()
    scopes = [(account, region) for account in plain.accounts() for region in plain.REGIONS]
    with ThreadPoolExecutor(10) as pool:
        servers = sum(pool.map(lambda scope: plain.inventory_of(*scope), scopes))
    print(json.dumps({"seconds": [time.perf_counter() - began], "servers": servers, "complete": True}))


if __name__ == "__main__":
    main()
