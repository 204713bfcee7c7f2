"""The promises of the coverage sync: its report and its summaries are compared with the instances that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from service.aws.attribute_values import decode
from service.models import Scope
from service.protection.summary import CoverageSummary, summary_of
from tests.simulation.aws import SimulatedAws
from tests.simulation.promises import Promises

__all__ = ["check_report", "check_summaries", "stored_summaries"]

_UNPROTECTED: Final = "an instance that no server protects is never covered"
_UNKNOWN: Final = "what could not be read is unknown"


def check_report(aws: SimulatedAws, promises: Promises, report: Mapping[str, Any]) -> None:
    """Check a report: every scope is read or unknown, and every instance of those that were read is counted."""
    looked_at = {Scope(each["accountId"], each["region"]): each for each in report["lookedAt"]}
    unknown = [Scope(each["accountId"], each["region"]) for each in report["unknown"]]
    if (
        len(looked_at) + len(set(unknown) - looked_at.keys()) != report["scopes"]["asked"]
        or set(unknown) & looked_at.keys()
    ):
        promises.breaks(_UNKNOWN, f"{len(looked_at)} read and {unknown} unknown of {report['scopes']}")
    if (report["status"] == "complete") and (unknown or report["serverScopesUnknown"] != []):
        promises.breaks(_UNKNOWN, f"complete, with {unknown} and {report['serverScopesUnknown']}")
    protectable = _ever_protected(aws)
    listed = Counter(each["instanceId"] for each in report["instances"])
    for scope, counts in looked_at.items():
        instances = aws.instances.get(scope, {})
        if counts["protected"] + counts["unprotected"] + counts["leftOut"] != len(instances):
            promises.breaks("each instance is counted once", f"{counts} of {len(instances)}")
        for instance in instances.keys() - protectable:
            if listed[instance] != 1:
                promises.breaks(_UNPROTECTED, f"{instance} is listed {listed[instance]} times")


def check_summaries(aws: SimulatedAws, promises: Promises, *, since: datetime | None = None) -> None:
    """Check that a summary that is known counts what there is; and, with `since`, that all are known and newer."""
    protectable = _ever_protected(aws)
    for scope, summary in stored_summaries(aws).items():
        instances = aws.instances.get(scope, {})
        if summary.is_known and summary.unprotected < len(instances.keys() - protectable):
            promises.breaks(_UNPROTECTED, f"{summary} of {sorted(instances)}")
        if since is not None and not (summary.is_known and summary.as_of is not None and summary.as_of >= since):
            promises.breaks("the next runs repair", f"{summary} is not known since {since}")


def stored_summaries(aws: SimulatedAws) -> dict[Scope, CoverageSummary]:
    """Return the summaries in the topology table."""
    items = aws.dynamodb.tables["source_server_topology_table"].items
    found = (summary_of(decode(item)) for item in items.values())
    return {summary.scope: summary for summary in found if summary is not None}


def _ever_protected(aws: SimulatedAws) -> set[str]:
    """Return the instances that servers replicate from, those included that have left and are in the inventory yet."""
    items = aws.dynamodb.tables["source_server_inventory_table"].items.values()
    return aws.source_instances() | {item["instanceId"]["S"] for item in items if "instanceId" in item}
