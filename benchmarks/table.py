"""Results as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks.runner import Result, percentile
from benchmarks.targets import Evaluation

__all__ = ["figure", "render", "render_costs"]

_HEAD: Final = (
    "scenario",
    "run",
    "by",
    "process s",
    "work s",
    "95 % s",
    "CPU s",
    "MB",
    "drs",
    "sts",
    "ec2",
    "dynamodb",
)


def render(results: Sequence[Result], evaluations: Sequence[Evaluation]) -> str:
    """Return a table of the runs and one of the targets."""
    runs = _table([_HEAD, *(_row(result) for result in results)])
    if not evaluations:
        return runs
    targets = _table(
        [
            ("target", "bound", "measured", "met"),
            *(
                (
                    f"{each.target.scenario}: {each.target.what}",
                    each.bound,
                    figure(each.value),
                    "yes" if each.met else "NO",
                )
                for each in evaluations
            ),
        ]
    )
    return f"{runs}\n\n{targets}"


def render_costs(costs: Sequence[tuple[Result, Mapping[str, float]]]) -> str:
    """Return a table of dollars per month, empty without any."""
    if not costs:
        return ""
    names = list(costs[0][1])
    rows = [
        (result.scenario, result.run, *(f"{dollars[name]:.2f}" for name in names), f"{sum(dollars.values()):.2f}")
        for result, dollars in costs
    ]
    return _table([("dollars per month", "run", *names, "in all"), *rows])


def figure(value: float) -> str:
    """Format a figure with three significant digits, one of 1,000 or more as an integer."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - from here on as an integer


def _row(result: Result) -> tuple[str, ...]:
    mark = "~" if "extrapolated_s" in result.facts else ""
    work = f"{mark}{percentile(result.seconds, 0.5):.3g}"
    late = f"{result.figure('p95_s'):.3g}" if len(result.seconds) > 1 else ""
    figures = (f"{result.wall_s:.1f}", work, late, f"{result.cpu_s:.1f}", f"{result.peak_mb:.0f}")
    calls = (f"{result.figure(f'{service}_calls'):.0f}" for service in ("drs", "sts", "ec2", "dynamodb"))
    return (result.scenario, result.run, result.contestant, *figures, *calls)


def _table(rows: Iterable[Sequence[str]]) -> str:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in ruled
    )
