"""`python -m benchmarks.scale`: prints the plan for an estate, by default of 5,000 accounts."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import Any

import orjson

from benchmarks.scale.model import Estate, Plan, plan

__all__ = ["main", "render"]


def _rows(title: str, unit: str, values: dict[str, float], form: str = ",.0f") -> list[str]:
    head = [f"| {title} | {unit} |", "|---|---:|"]
    return [*head, *(f"| {name} | {format(value, form)} |" for name, value in values.items()), ""]


def render(found: Plan) -> str:
    """Return a plan as Markdown, as shown in docs/scale.md."""
    estate = found.estate
    drs = sum(
        value for name, value in found.calls.items() if name.startswith(("Describe", "Get")) and "Inst" not in name
    )
    saved = 100 * (1 - found.calls["DescribeSourceServers, active"] / found.naive_drs_calls)
    per_thousand = 1000 * sum(found.dollars.values()) / max(1, estate.all_servers)
    lines = [
        f"{estate.accounts:,} accounts with {estate.servers} servers in each of {estate.regions} regions: "
        f"{estate.all_servers:,} servers, {estate.per_hour:g} inventory syncs an hour, "
        f"{estate.changes_per_day:g} change per server and day, "
        f"{found.shards} shards.",
        "",
        *_rows("calls of one sync", "calls", found.calls),
        f"DRS calls: {drs:,.0f} a sync. A full scan makes {found.naive_drs_calls:,.0f} for the listing alone, of which "
        f"{saved:.0f} % are not made in active regions.",
        "",
        *_rows("time of one sync", "seconds", found.seconds),
        *_rows("DynamoDB write units", "units per month", found.write_units),
        f"{found.units_per_server:,.0f} write units per server and month, against "
        f"{found.naive_write_units / max(1, estate.all_servers):,.0f} when every sync writes every server. "
        f"Read units: {found.read_units:,.0f} a month.",
        "",
        *_rows("dollars", "per month", found.dollars),
        f"In all {sum(found.dollars.values()):,.0f} dollars a month, "
        f"{per_thousand:.2f} per thousand servers. The first sync of all costs "
        f" {found.first_dollars:,.0f} dollars of write units, once.",
        "",
        *_rows("hottest partition", "share of its limit", found.heat, ".1%"),
        *_rows("nearness to limits", "share", found.limits, ".1%"),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Print the plan of the estate that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    for each in fields(Estate):
        kind: Any = int if each.type == "int" else float
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    parser.add_argument("--output", choices=["table", "json"], default="table")
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    if any(value < 0 for value in options.values()):
        parser.error("sizes and rates cannot be negative")
    found = plan(Estate(**options))
    if output == "json":
        sys.stdout.write(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(render(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
