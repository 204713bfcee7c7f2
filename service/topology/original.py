"""Original replication topology of a server: where it came from before any disaster. Pure.

It is an item of its own in the topology table, so no batch write of the inventory overwrites it; `keys` has its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from service.inventory.server import SourceServer
from service.models import Scope, iso
from service.topology.keys import topology_key
from service.topology.origin import (
    ENVIRONMENT,
    ENVIRONMENT_SOURCE,
    FILLED_LATE,
    HOSTNAME,
    is_origin_known,
    is_untouched,
    known_environment,
    missing_values,
    reported_origin,
)

__all__ = [
    "COPIED",
    "LEGACY_TEMPLATE_ID",
    "MISSING",
    "ORIGINALS",
    "ORIGIN_MISSING",
    "RECORDED_ATTRIBUTES",
    "TEMPLATE_ID",
    "TEMPLATE_MISSING",
    "TEMPLATE_SETTLED",
    "capture",
    "choose_template",
    "details",
    "inventory_copy",
    "missing_details",
    "stored_originals",
]

# Attributes that answers show, also of items of earlier versions.
ORIGINALS: Final = (
    "originalSourceRegion",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "originalReplicationConfiguration",
    "originalSourceAccountId",
    "originalReplicationRegion",
    "originalInstanceId",
    "originalAvailabilityZone",
    ENVIRONMENT,
    ENVIRONMENT_SOURCE,
    "topologyLastUpdated",
)
_COMPARED: Final = (
    "stagingAreaSubnetId",
    "replicationServersSecurityGroupsIDs",
    "ebsEncryption",
    "ebsEncryptionKeyArn",
    "dataPlaneRouting",
    "replicationServerInstanceType",
)
_OWN_ID: Final = "replicationConfigurationTemplateID"
_CONFIGURATION: Final = "originalReplicationConfiguration"
TEMPLATE_ID: Final = "originalReplicationConfigurationTemplateId"
"""The attribute of the replication configuration template that the server was set up from."""
LEGACY_TEMPLATE_ID: Final = "originalReplicationConfigTemplateId"
"""The same attribute as earlier writers spell it: it is read, and never written."""
TEMPLATE_SETTLED: Final = "templateSettled"
"""Attribute: the templates of the replicating account were read, and none of them could be matched to the server."""
COPIED: Final = tuple(name for name in ORIGINALS if name != _CONFIGURATION)
"""Originals that inventory items have a copy of: without the configuration, a sixth of an item in four places."""
RECORDED_ATTRIBUTES: Final = (
    *ORIGINALS,
    HOSTNAME,
    "captureMethod",
    FILLED_LATE,
    "sourceSideTemplate",
    TEMPLATE_SETTLED,
)
"""Attributes of a topology item beside its key and its history."""
MISSING: Final = "topologyMissing"
"""Attribute of inventory items: what their topology lacks, out of configuration, template and origin."""
TEMPLATE_MISSING: Final = "template"
"""The entry of `MISSING` for a template id."""
ORIGIN_MISSING: Final = "origin"
"""The entry of `MISSING` for which no read of this service helps: DRS has to report it."""


def capture(
    server: SourceServer,
    scope: Scope,
    *,
    now: datetime,
    templates: Sequence[Mapping[str, Any]] | None,
    legacy: Mapping[str, Any],
) -> dict[str, Any]:
    """Build the topology item of a forward server when it is first seen. Unknown attributes are left out, not guessed.

    Args:
        server: a forward server.
        scope: the scope that was scanned.
        now: time of capture.
        templates: replication configuration templates of the replicating account and region; None if not read.
        legacy: the inventory item of the server as a legacy writer stored it; originals in it take precedence.

    Raises:
        ValueError: the server was created by ReverseReplication, so its origin is the recovery site.
    """
    if not server.is_forward:
        raise ValueError(f"{server.arn} was created by ReverseReplication: its origin is not the original one")
    topology = {
        **topology_key(server.lineage),
        "originalAccountId": server.staging_account or scope.account_id,
        "originalReplicationRegion": server.lineage.split(":")[3],
        TEMPLATE_ID: choose_template(templates or (), None),
        "captureMethod": "first_sight" if is_untouched(server) else "late",
        "topologyLastUpdated": iso(now),
        **_from_legacy(legacy),
    }
    topology |= missing_values(topology, reported_origin(server))
    topology[ENVIRONMENT] = known_environment(topology)  # what an earlier version inferred is not taken over
    return {name: value for name, value in topology.items() if value is not None}


def _from_legacy(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the originals in an item, including the legacy name of the template id."""
    named = {name: item.get(name) or None for name in ORIGINALS}
    named[TEMPLATE_ID] = named[TEMPLATE_ID] or item.get(LEGACY_TEMPLATE_ID) or None
    return {name: value for name, value in named.items() if value is not None}


def stored_originals(item: Mapping[str, Any]) -> dict[str, Any]:
    """Read the originals that an item carries, under today's names."""
    renamed = {**item, TEMPLATE_ID: item.get(TEMPLATE_ID) or item.get(LEGACY_TEMPLATE_ID)}
    return {name: renamed[name] for name in ORIGINALS if renamed.get(name) is not None}


def choose_template(templates: Sequence[Mapping[str, Any]], configuration: Mapping[str, Any] | None) -> str | None:
    """Return the id of the template of a server: the only one, or the only one that equals its configuration.

    None if no template, or several, match. No API returns the template of a server.
    """
    candidates = [each for each in templates if isinstance(each.get(_OWN_ID), str)]
    if len(candidates) > 1:
        expected = _compared(configuration) if configuration else None
        candidates = [each for each in candidates if _compared(each) == expected]
    return str(candidates[0][_OWN_ID]) if len(candidates) == 1 else None


def details(
    configuration: Mapping[str, Any],
    templates: Sequence[Mapping[str, Any]] | None,
    source_template: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the attributes that complete a topology, without those that are not known.

    Args:
        configuration: replication configuration of the server.
        templates: replication configuration templates of the replicating account and region; None if not read.
        source_template: default template of the source side.
    """
    template = choose_template(templates or (), configuration)
    found = {
        _CONFIGURATION: configuration,
        TEMPLATE_ID: template,
        TEMPLATE_SETTLED: (templates is not None and template is None) or None,
        "sourceSideTemplate": source_template,
    }
    return {name: value for name, value in found.items() if value is not None}


def _compared(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that distinguish templates; the order of lists does not matter."""
    picked = {name: configuration.get(name) for name in _COMPARED}
    return {name: sorted(value, key=str) if isinstance(value, list) else value for name, value in picked.items()}


def inventory_copy(topology: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a topology item that an inventory item contains a copy of."""
    originals = {name: topology[name] for name in COPIED if topology.get(name) is not None}
    missing = missing_details(topology)
    return {**originals, "topologyComplete": not missing, MISSING: missing}


def missing_details(topology: Mapping[str, Any]) -> list[str]:
    """Return what a topology lacks, out of configuration, template and origin.

    The template is not missing if the templates of the replicating account were read and none could be matched.
    """
    has_template = TEMPLATE_ID in topology or topology.get(TEMPLATE_SETTLED) is True
    has = {"configuration": _CONFIGURATION in topology, TEMPLATE_MISSING: has_template}
    return [name for name, known in {**has, ORIGIN_MISSING: is_origin_known(topology)}.items() if not known]
