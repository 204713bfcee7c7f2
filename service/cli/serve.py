"""Command `drs-sync serve`: the estate as live pages on this machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from service.cli.options import require_values
from service.cli.output import Output, print_error, print_json, run_command
from service.cli.report import WEB_NOT_INSTALLED
from service.cli.stop_signals import STOP_SIGNALS, end_at_next_signal
from service.query_app import open_query_app
from service.settings import Settings

__all__ = ["serve_pages"]


def serve_pages(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 8080,
    *,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines connect: there is no login and no encryption.")
    ] = False,
    name: Annotated[
        list[str] | None, typer.Option("--name", metavar="NAME", help="Host name that browsers use; repeatable.")
    ] = None,
) -> int:
    """Serve the estate as live pages until Ctrl-C, to this machine only.

    Nothing can be changed through them. `/healthz` tells that the server
    runs, `/readyz` whether the tables can be read.

    Examples:
      drs-sync serve

    Exit codes: 0 stopped by Ctrl-C or SIGTERM; 2 wrong usage or settings.
    """
    output = Output.default()
    try:
        from service.pages.html import Pages  # noqa: PLC0415 - needs the extra `web`
        from service.web.app import build_app  # noqa: PLC0415 - needs the extra `web`
        from service.web.data import LiveData  # noqa: PLC0415 - of the same package
        from service.web.guard import is_loopback  # noqa: PLC0415 - of the same package
        from service.web.server import PageServer, listen, url_of  # noqa: PLC0415 - needs the extra `web`
    except ImportError:
        return print_error("Usage", WEB_NOT_INSTALLED, output, exit_code=2)
    if not (allow_remote or is_loopback(host)):
        message = f"{host} can be reached by other machines. Fix: use --host 127.0.0.1, or add --allow-remote"
        return print_error("Usage", message, output, exit_code=2)
    try:
        listening = listen(host, port)
    except OSError as error:
        message = f"cannot listen on {host} port {port}: {error.strerror}. Fix: give another --host or --port"
        return print_error("Usage", message, output, exit_code=2)
    pages, url = Pages(), url_of(listening)

    async def work(settings: Settings) -> int:
        names = require_values("--name", name)
        async with open_query_app(settings) as app:
            server = PageServer(build_app(LiveData(app), pages, names=names, is_remote=allow_remote))
            with _stopped_by_signals(server.stop):
                _print_address(output, url)
                await server.serve([listening])
        return 0

    with listening:
        return run_command(output, work)


def _print_address(output: Output, url: str) -> None:
    if output is Output.JSON:
        print_json({"operation": "serve", "url": url})
    else:
        sys.stdout.write(f"serving on {url}; stop with Ctrl-C\n")
    sys.stdout.flush()


@contextmanager
def _stopped_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Let the first signal call a function, and the second end the process at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        end_at_next_signal()
        end()

    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
