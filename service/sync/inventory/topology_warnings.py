"""Warnings about topology: what a person should check. They name no server, so many servers are one entry; logs do."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from service.errors import AwsError
from service.inventory.server import SourceServer
from service.models import Problem, RegionStatus, Scope
from service.sync.inventory.servers import ScannedServer, unnamed_problem
from service.topology.lineage import normalised_name
from service.topology.origin import is_described, is_origin_known

__all__ = ["is_newly_described", "templates_problem", "warnings_of_capture", "warnings_of_origin"]

_log = logging.getLogger(__name__)
_NOTHING_TO_DO: Final = (
    "none before a recovery; DRS reports the environment with the recovery instance, and the next sync records it"
)


def warnings_of_capture(server: SourceServer, topology: Mapping[str, Any], scope: Scope) -> list[Problem]:
    """Return the warning about a topology that is captured after a launch; none for any other."""
    if topology["captureMethod"] != "late":
        return []
    _log.warning("topology captured late", extra={"server": server.arn, "advice": "check its original topology"})
    why = "servers were launched before they were first seen: check their original topology; the log names them"
    return [unnamed_problem(scope, "TopologyCapturedLate", why, RegionStatus.ACTIVE)]


def warnings_of_origin(server: SourceServer, topology: Mapping[str, Any], scope: Scope) -> list[Problem]:
    """Return the warning about a server whose origin DRS does not report although it describes the machine."""
    if "originalSourceRegion" in topology:
        return []
    worth_a_warning = not is_origin_known(topology) and is_described(server)
    facts = {"server": server.arn, "originEnvironment": topology.get("originEnvironment", "unknown")}
    facts |= {"advice": _NOTHING_TO_DO} if worth_a_warning else {}
    _log.log(logging.WARNING if worth_a_warning else logging.INFO, "no region of origin", extra=facts)
    if not worth_a_warning:
        return []
    why = (
        "DRS does not report where some servers came from: it is not guessed; the log names them. Fix: "
        f"{_NOTHING_TO_DO}"
    )
    return [unnamed_problem(scope, "TopologyIncomplete", why, RegionStatus.ACTIVE)]


def is_newly_described(scanned: ScannedServer) -> bool:
    """Whether DRS describes the machine now and did not when its inventory item was last written."""
    server, item = scanned.server, scanned.stored.item if scanned.stored else {}
    described_by = {normalised_name(name) for name in (server.hostname, server.fqdn, server.instance_id) if name}
    return bool(described_by) and described_by.isdisjoint(item.get("lineageNames") or ())


def templates_problem(error: AwsError, replicating: Scope, scanned: Scope) -> Problem:
    """Make the problem of templates that could not be read in the scope where servers of a scanned scope replicate."""
    if replicating.account_id == scanned.account_id:
        return error.problem
    message = f"replication templates of staging account {replicating.account_id}: {error.message}"
    account_id, region = replicating
    return replace(error.problem, account_id=account_id, region=region, message=message)
