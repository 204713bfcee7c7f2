"""Command that runs mutants: `python -m tests.mutants`, or with the names of some."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tests.mutants.lists import MUTANTS
from tests.mutants.run import run_mutants
from tests.support.draw import draw, head


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Names of mutants, or numbers that they break.")] = None,
    sample: Annotated[int, typer.Option(help="Run this many, drawn from the id of the commit.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes at the same time.")] = os.cpu_count() or 1,
) -> None:
    """Run mutants; exit with 1 when one is not noticed by each test that is named for it."""
    chosen = [each for each in MUTANTS if not names or each.name in names or set(each.breaks) & set(names)]
    if not chosen:
        raise typer.BadParameter(f"no mutant has one of these names or breaks one of these numbers: {names}")
    if sample:
        chosen = draw(chosen, sample, head())
    bad = 0
    for verdict in run_mutants(chosen, processes=processes):
        mutant = verdict.mutant
        told = "noticed" if verdict.good else verdict.invalid or f"NOT NOTICED by {', '.join(verdict.unnoticed)}"
        typer.echo(f"{verdict.seconds:6.1f} s  {'/'.join(mutant.breaks)}  {mutant.name}: {told}")
        bad += not verdict.good
    typer.echo(f"{len(chosen) - bad} of {len(chosen)} mutants are noticed")
    raise typer.Exit(bool(bad))


if __name__ == "__main__":
    typer.run(main)
