"""What people look at: the status screen, and the live pages, each as a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

_COMMAND: Final = str(Path(sys.executable).with_name("drs-sync"))
_TIMEOUT_S: Final = 300.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def status(times: int) -> dict[str, Any]:
    """Time the command from start to end."""
    seconds: list[float] = []
    servers = 0
    for _ in range(times + 1):
        began = time.perf_counter()
        done = subprocess.run([_COMMAND, "status", "--output", "json"], capture_output=True, check=False)
        seconds.append(time.perf_counter() - began)
        servers = json.loads(done.stdout)["servers"]["ready"]
    return {"seconds": seconds[1:], "servers": servers}  # the first one may have compiled modules


def pages(times: int) -> dict[str, Any]:
    """Time the live pages: start page, list of servers, its last page, and a search, which reads every server."""
    with _serving() as (url, pid):
        first = _get(url, "")
        start = sorted(_get(url, "") for _ in range(times))[times // 2]
        seconds = [_get(url, "servers"), *(_get(url, f"servers?page={2 + number}") for number in range(times - 1))]
        before = _cpu_s(pid)
        _get(url, "servers?q=srv-7")
        search_cpu = _cpu_s(pid) - before
        again = _get(url, "servers?q=srv-8")
        return {
            "seconds": seconds,
            "first_s": first,
            "start_page_s": start,
            "search_cpu_s": search_cpu,
            "search_again_s": again,
            "served_mb": _peak_mb(pid),
        }


@contextmanager
def _serving() -> Iterator[tuple[str, int]]:
    words = [_COMMAND, "serve", "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith("}"):
                break
        yield json.loads(text)["url"], process.pid
    finally:
        process.terminate()
        process.communicate()


def _get(url: str, path: str) -> float:
    """Read a page; return its seconds."""
    began = time.perf_counter()
    with urlopen(url + path, timeout=_TIMEOUT_S) as response:  # noqa: S310 - our own loopback
        response.read()
    return time.perf_counter() - began


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Measure one face; print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=("status", "pages"))
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps({"status": status, "pages": pages}[options.job](options.times)))


if __name__ == "__main__":
    main()
