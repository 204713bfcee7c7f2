"""Cost of a process before and around its work: imports, invocations, the first calls to many regions."""

from __future__ import annotations

import argparse
import asyncio
import compileall
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

import service
from service.accounts.access import AccountAccess, read_directory
from service.app import App
from service.aws.client import AccountSession, AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError
from service.handlers.data_management import lambda_handler, runtime
from service.settings import load_settings

# The SDK imports these two where they are installed. The functions' package has neither of them.
_AS_DEPLOYED: Final = "import sys; sys.modules['awscrt'] = sys.modules['httpx'] = None; "
_BASELINE: Final = (
    f"{_AS_DEPLOYED}import aiobotocore.session, aws_embedded_metrics, anyio, orjson, pydantic, pydantic.types;"
    "import pythonjsonlogger.json; from pydantic import BaseModel"
)
_HANDLER: Final = f"{_AS_DEPLOYED}import service.handlers.data_management"


def _cpu_seconds(words: Sequence[str]) -> float:
    """Return the CPU seconds of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _import_seconds(statement: str) -> float:
    """Return the CPU seconds of a statement in a new interpreter, minus those of an empty one."""
    return _cpu_seconds([sys.executable, "-c", statement]) - _cpu_seconds([sys.executable, "-c", "pass"])


def imports(times: int) -> dict[str, Any]:
    """Measure the import of the handler and of the libraries that it needs."""
    compileall.compile_dir(Path(service.__path__[0]), quiet=1)  # with bytecode, as it is deployed
    pairs = [(_import_seconds(_HANDLER), _import_seconds(_BASELINE)) for _ in range(times)]
    handler, baseline = (min(each[side] for each in pairs) for side in (0, 1))  # other load only adds time
    return {"seconds": [each[0] for each in pairs], "over_libraries": handler / baseline}


def command(times: int) -> dict[str, Any]:
    """Measure `--version` and `--help`, each as a process of its own."""
    words = str(Path(sys.executable).with_name("drs-sync"))
    version, shown = (min(_cpu_seconds([words, option]) for _ in range(times)) for option in ("--version", "--help"))
    return {"seconds": [version, shown], "version_cpu_s": version, "help_cpu_s": shown}


def first_requests(times: int) -> dict[str, Any]:
    """Measure the first request of each handler in a new process, after the import: clients, models, connections."""
    data, query = (
        min(_first_request(handler, operation) for _ in range(times))
        for handler, operation in (
            ("data_management", "get_last_tag_sync_status"),
            ("query", "get_source_server_inventory"),
        )
    )
    return {"seconds": [data, query], "data_cpu_s": data, "query_cpu_s": query}


_FIRST: Final = """
{as_deployed}import time
from service.handlers.{handler} import lambda_handler
began = time.process_time()
answer = lambda_handler({{"operation": "{operation}"}}, None)
used = time.process_time() - began
if "error" in answer:
    raise SystemExit(str(answer))
print(used)
"""


def _first_request(handler: str, operation: str) -> float:
    code = _FIRST.format(as_deployed=_AS_DEPLOYED, handler=handler, operation=operation)
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.splitlines()[-1])


def invocation(times: int) -> dict[str, Any]:
    """Measure a warm invocation that makes one small call, and the call alone."""

    async def call(app: App) -> None:
        await app.tag_state().last()

    def timed(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    event = {"operation": "get_last_tag_sync_status"}

    async def many(app: App) -> list[float]:
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            await call(app)
            seconds.append(time.perf_counter() - began)
        return seconds

    lambda_handler(event, None)
    invoked = sorted(timed(lambda: lambda_handler(event, None)) for _ in range(times))
    alone = sorted(runtime.run(many))
    return {"seconds": invoked, "overhead_ms": 1000 * (invoked[times // 2] - alone[times // 2])}


def first_calls(times: int) -> dict[str, Any]:  # noqa: ARG001 - only the first calls count
    """Measure the first DRS calls to every region of each target account: CPU, memory, longest blocking of the loop."""
    return asyncio.run(_first_calls())


class _LoopMonitor:
    """Measures the longest time for which the event loop was blocked."""

    longest_block_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            at = time.perf_counter()
            await asyncio.sleep(0)
            self.longest_block_s = max(self.longest_block_s, time.perf_counter() - at)


async def _first_calls() -> dict[str, Any]:
    settings, monitor = load_settings(), _LoopMonitor()
    async with AwsClient(settings, lambda: datetime.now(UTC)) as aws_client, anyio.create_task_group() as tasks:
        await aws_client.identity()
        accounts = TableReader(aws_client.hub(), settings.target_accounts_table, aws_client.hub_region)
        directory, _ = await read_directory(accounts)
        access = AccountAccess(aws_client, directory)
        sessions = [await access.session(account) for account in directory.targets]
        tasks.start_soon(monitor.run)
        await asyncio.sleep(0.05)
        monitor.longest_block_s, memory, cpu, began = 0.0, _resident_mb(), time.process_time(), time.perf_counter()
        async with anyio.create_task_group() as calls:
            for session in sessions:
                for region in settings.regions:
                    calls.start_soon(_call, session, region)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        tasks.cancel_scope.cancel()
    return {
        "seconds": [seconds],
        "cpu_seconds": [used],
        "calls": len(sessions) * len(settings.regions),
        "grown_mb": _resident_mb() - memory,
        "loop_blocked_ms": 1000 * monitor.longest_block_s,
    }


async def _call(session: AccountSession, region: str) -> None:
    try:
        await session.call("drs", "DescribeSourceServers", {}, region=region)
    except AwsError as error:
        if error.code != "UninitializedAccountException":
            raise


def _resident_mb() -> float:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - a pseudo file
        [line] = [each for each in status if each.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Run one of the jobs and print its figures."""
    jobs = {
        "command": command,
        "imports": imports,
        "first_requests": first_requests,
        "invocation": invocation,
        "first_calls": first_calls,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=list(jobs))
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(jobs[options.job](options.times)))


if __name__ == "__main__":
    main()
