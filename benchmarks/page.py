"""Results as one self-contained HTML page: tables, and bar charts in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from benchmarks.runner import percentile
from benchmarks.table import figure

__all__ = ["render"]

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { text-align: left; padding: .25rem .75rem .25rem 0; }
td.n { text-align: right; font-variant-numeric: tabular-nums; } .no { color: #b00020; font-weight: 600; }
svg text { font: 12px system-ui, sans-serif; } rect.own { fill: #1565c0; } rect.other { fill: #b0bec5; }
"""
_WIDTH: Final = 520
_BAR: Final = 22


def render(document: Mapping[str, Any]) -> str:
    """Return the page of a results document."""
    by_scenario: dict[str, list[Mapping[str, Any]]] = {}
    for result in document["results"]:
        by_scenario.setdefault(result["scenario"], []).append(result)
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    parts = [_section(name, results) for name, results in by_scenario.items()]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>drs-sync benchmarks</title><style>{_STYLE}</style>"
        f"<h1>drs-sync benchmarks</h1><p>{escape(machine)}</p>{_targets(document['targets'])}{''.join(parts)}</html>\n"
    )


def _targets(targets: Sequence[Mapping[str, Any]]) -> str:
    if not targets:
        return ""
    rows = "".join(
        f"<tr><td>{escape(each['scenario'])}<td>{escape(each['what'])}<td>{escape(each['bound'])}"
        f"<td class=n>{figure(each['value'])}"
        f"<td class={'yes' if each['met'] else 'no'}>{'yes' if each['met'] else 'NO'}"
        for each in targets
    )
    return f"<h2>Targets</h2><table><tr><th>scenario<th>target<th>bound<th>measured<th>met{rows}</table>"


def _section(name: str, results: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(map(_row, results))
    head = "<tr><th>run<th>by<th>work s<th>process s<th>CPU s<th>MB<th>calls"
    return f"<h2>{escape(name)}</h2>{_bars(results)}<table>{head}{rows}</table>"


def _row(result: Mapping[str, Any]) -> str:
    names = "".join(f"<td>{escape(result[name])}" for name in ("run", "contestant"))
    calls = sum(result["calls"].values())
    figures = (_work_s(result), result["wall_s"], result["cpu_s"], result["peak_mb"], calls)
    return f"<tr>{names}" + "".join(f"<td class=n>{figure:.4g}" for figure in figures)


def _work_s(result: Mapping[str, Any]) -> float:
    return percentile(result["seconds"], 0.5)


def _bars(results: Sequence[Mapping[str, Any]]) -> str:
    longest = max(map(_work_s, results)) or 1.0
    bars = "".join(
        f"<rect class={'own' if each['contestant'].startswith('drs_sync') else 'other'} x=150 y={row * _BAR + 3}"
        f" width={max(1.0, _work_s(each) / longest * (_WIDTH - 230)):.1f} height={_BAR - 6} />"
        f"<text x=0 y={row * _BAR + 16}>{escape(each['run'])}</text>"
        f"<text x={155 + _work_s(each) / longest * (_WIDTH - 230):.1f} y={row * _BAR + 16}>{_work_s(each):.3g} s</text>"
        for row, each in enumerate(results)
    )
    return f"<svg width={_WIDTH} height={len(results) * _BAR} role=img>{bars}</svg>"
