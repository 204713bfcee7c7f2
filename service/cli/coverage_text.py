"""The report of the coverage sync as lines of text and as CSV: one line per instance, then what could not be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from service.cli.columns import Column, table
from service.cli.indented import Indented
from service.text import printable, spreadsheet_cell

__all__ = ["coverage_csv", "coverage_lines"]

_HEADINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "NO_SOURCE_SERVER": "no source server",
        "SERVER_DISCONNECTED": "source server disconnected",
        "SERVER_STOPPED": "replication stopped",
        "SERVER_MOVED": "source server replicates from another instance now",
    }
)
_KINDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "replicationServers": ("replication server", "replication servers"),
        "conversionServers": ("conversion server", "conversion servers"),
        "recoveryInstances": ("recovery instance", "recovery instances"),
        "terminated": ("terminated", "terminated"),
        "otherAccounts": ("of another account", "of other accounts"),
        "otherTags": ("without the tags", "without the tags"),
    }
)
_CSV_MEMBERS: Final = (
    "accountId",
    "region",
    "instanceId",
    "name",
    "state",
    "instanceType",
    "reason",
    "why",
    "sourceServerID",
)
_UNKNOWN: Final = "UNKNOWN"
_COLUMNS: Final = (
    Column("instance"),
    Column("account"),
    Column("region"),
    Column("state", 1),
    Column("name", can_be_cut=True),
)


def coverage_lines(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Render a report of the coverage sync."""
    yield from _summary(report)
    for reason, heading in _HEADINGS.items():
        if found := [each for each in report["instances"] if each["reason"] == reason]:
            yield Text("")
            yield table(f"Not protected, {heading}: {len(found)}", _COLUMNS, map(_row, found))
    if report["unknown"]:
        yield Text("")
        yield Text(
            f"Unknown, not covered: {_counted(len(report['unknown']), 'account and region', 'accounts and regions')}"
        )
        for each in report["unknown"]:
            yield from _problem(each, f"{each['accountId']} {each['region']}")
    if scopes := report["serverScopesUnknown"]:
        where = _counted(len(scopes), "account and region", "accounts and regions")
        yield Text("")
        yield Text(f"The source servers of {where} are not known: instances they protect may be listed.")
    for name in ("errors", "warnings"):
        for each in report[name]:
            if each["code"] not in {unknown["code"] for unknown in report["unknown"]}:
                yield Text("")
                yield from _problem(each, " ".join([each.get("accountId", ""), *each["regions"]]).strip())
    yield from _not_looked_at(report)


def coverage_csv(report: Mapping[str, Any]) -> str:
    """Render a report as CSV: a line per instance that is not protected, and one per unknown account and region.

    The latter have the reason `UNKNOWN` and no instance. A cell that a spreadsheet would run as a formula begins with
    an apostrophe.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_MEMBERS)
    unknown = (
        {**each, "reason": _UNKNOWN, "why": f"{each['code']}: {each.get('cause') or each['message']}"}
        for each in report["unknown"]
    )
    for row in (*report["instances"], *unknown):
        writer.writerow([spreadsheet_cell(str(row.get(name, ""))) for name in _CSV_MEMBERS])
    return stream.getvalue()


def _summary(report: Mapping[str, Any]) -> Iterator[Text]:
    kinds = ", ".join(_counted(count, *_KINDS[kind]) for kind, count in report["leftOut"].items() if count)
    left_out = f"left out {report['instancesLeftOut']}" + (f" ({kinds})" if kinds else "")
    tags = f" with {', '.join(map(printable, report['tags']))}" if report["tags"] else ""
    yield Text(
        f"Instances{tags}: protected {report['instancesProtected']},"
        f" not protected {report['instancesUnprotected']}, {left_out}."
    )
    scopes = _counted(len(report["lookedAt"]), "account and region was", "accounts and regions were")
    yield Text(f"{scopes} read to the end; {report['sourceServers']} source servers are known.")


def _row(instance: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(instance[name] for name in ("instanceId", "accountId", "region", "state", "name"))


def _problem(problem: Mapping[str, Any], where: str) -> Iterator[RenderableType]:
    cause = [problem.get("cause", ""), problem["message"]]
    yield Indented(": ".join(filter(None, (where, problem["code"]))), 2)
    yield Indented(": ".join(dict.fromkeys(filter(None, cause))), 4)
    if problem.get("advice"):
        yield Indented(f"Fix: {problem['advice']}", 4)


def _not_looked_at(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Name the regions in which no account was looked at, and those in which only some were."""
    looked_at = {each["region"] for each in (*report["lookedAt"], *report["unknown"])}
    regions = [each["region"] for each in report["notLookedAt"]]
    nowhere = [region for region in regions if region not in looked_at]
    partly = [region for region in regions if region in looked_at]
    if not regions:
        return
    yield Text("")
    if nowhere:
        yield Text(f"Not looked at: {_counted(len(nowhere), 'region', 'regions')}")
        yield Indented(", ".join(nowhere), 2)
    if partly:
        yield Text(f"Looked at in some accounts only: {_counted(len(partly), 'region', 'regions')}")
        yield Indented(", ".join(partly), 2)
    yield Text("To look in a region: drs-sync coverage --region NAME")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
