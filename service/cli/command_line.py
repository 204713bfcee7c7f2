"""Entry point of the console script: hears SIGTERM and Ctrl-C before it loads the commands, which takes a while."""

from __future__ import annotations

from service.cli.stop_signals import remember_signals

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process and exit."""
    remember_signals()
    from service.cli.main import main as run_and_exit  # noqa: PLC0415 - after the handlers, because it takes a while

    run_and_exit()
