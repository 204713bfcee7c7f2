"""The original replication topology of a server: where it came from before any disaster. Pure.

It lives in an item of its own, keyed by the ARN of the replicating server, with `TOPOLOGY` for an account id: no batch
put of inventory can wipe it, and the indexes that other readers query do not show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from service.inventory.server import SourceServer
from service.models import Scope, iso

__all__ = [
    "LEGACY_TEMPLATE_ID",
    "ORIGINALS",
    "TEMPLATE_ID",
    "TEMPLATE_SETTLED",
    "TOPOLOGY",
    "capture",
    "choose_template",
    "copied",
    "is_complete",
    "stored_originals",
    "topology_key",
]

TOPOLOGY: Final = "TOPOLOGY"

# What inventory items carry of it; the names of R13 and their details.
ORIGINALS: Final = (
    "originalSourceRegion",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "originalReplicationConfiguration",
    "originalSourceAccountId",
    "originalReplicationRegion",
    "originalInstanceId",
    "originalAvailabilityZone",
    "originEnvironment",
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
_CONFIGURATION: Final = "originalReplicationConfiguration"
TEMPLATE_ID: Final = "originalReplicationConfigurationTemplateId"
"""The attribute of the replication configuration template that the server was set up from."""
LEGACY_TEMPLATE_ID: Final = "originalReplicationConfigTemplateId"
"""The same attribute as earlier writers spell it: it is read, and never written."""
TEMPLATE_SETTLED: Final = "templateSettled"
"""Set where the templates of the account that replicates were read, and none could be named."""
_UNTOUCHED: Final = frozenset({None, "NOT_STARTED"})


def topology_key(lineage_arn: str) -> dict[str, str]:
    """Give the key of the topology item of a lineage."""
    return {"sourceServerArn": lineage_arn, "stagingAccountId": TOPOLOGY}


def capture(
    server: SourceServer,
    scope: Scope,
    *,
    now: datetime,
    templates: Sequence[Mapping[str, Any]] | None,
    legacy: Mapping[str, Any],
) -> dict[str, Any]:
    """Take down the originals at first sight of a forward server. What is not known stays out: nothing is guessed.

    Args:
        server: a forward server. FAILBACK records are never a source of originals.
        scope: the account and region that were asked.
        now: time of capture.
        templates: replication configuration templates of the replicating account and region; None when unread.
        legacy: the inventory item of the server as an earlier writer left it; originals in it win.
    """
    if not server.is_forward:
        raise ValueError(f"{server.arn} was made by ReverseReplication: it tells nothing of the original")
    untouched = server.last_launch in _UNTOUCHED and not server.recovery_instance
    # An EC2 instance whose region DRS does not tell is not on premises: then the environment stays open.
    environment = "AWS" if server.origin_region else None if server.instance_id else "ON_PREMISES"
    found = {
        **topology_key(server.lineage),
        "originalSourceRegion": server.origin_region,
        "originalAccountId": server.staging_account or scope.account_id,
        "originalSourceAccountId": server.origin_account,
        "originalReplicationRegion": server.lineage.split(":")[3],
        "originalInstanceId": server.instance_id,
        "originalAvailabilityZone": server.origin_zone,
        "originalHostname": server.hostname or None,
        "originEnvironment": environment,
        TEMPLATE_ID: choose_template(templates or (), None),
        "captureMethod": "first_sight" if untouched else "late",
        "topologyLastUpdated": iso(now),
    }
    return {name: value for name, value in {**found, **_from_legacy(legacy)}.items() if value is not None}


def _from_legacy(item: Mapping[str, Any]) -> dict[str, Any]:
    """Read originals under today's names and the older spelling of the template id."""
    named = {name: item.get(name) or None for name in ORIGINALS}
    named[TEMPLATE_ID] = named[TEMPLATE_ID] or item.get(LEGACY_TEMPLATE_ID) or None
    return {name: value for name, value in named.items() if value is not None}


def stored_originals(item: Mapping[str, Any]) -> dict[str, Any]:
    """Read the originals that an item carries, under today's names."""
    renamed = {**item, TEMPLATE_ID: item.get(TEMPLATE_ID) or item.get(LEGACY_TEMPLATE_ID)}
    return {name: renamed[name] for name in ORIGINALS if renamed.get(name) is not None}


def choose_template(templates: Sequence[Mapping[str, Any]], configuration: Mapping[str, Any] | None) -> str | None:
    """Name the template a server came from: the only one there is, or the only one equal to its configuration.

    No API links the two, so with several equal ones, or none, the answer is None.
    """
    candidates = list(templates)
    if len(candidates) > 1:
        wanted = _compared(configuration) if configuration else None
        candidates = [each for each in candidates if _compared(each) == wanted]
    return str(candidates[0]["replicationConfigurationTemplateID"]) if len(candidates) == 1 else None


def _compared(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Give what tells templates apart; lists are taken as sets."""
    picked = {name: configuration.get(name) for name in _COMPARED}
    return {name: sorted(value) if isinstance(value, list) else value for name, value in picked.items()}


def copied(topology: Mapping[str, Any], *, replicates_here: bool = True) -> dict[str, Any]:
    """Give the attributes that an inventory item carries of a topology item."""
    kept = {name: topology[name] for name in ORIGINALS if topology.get(name) is not None}
    return {**kept, "topologyComplete": is_complete(topology, replicates_here=replicates_here)}


def is_complete(topology: Mapping[str, Any], *, replicates_here: bool = True) -> bool:
    """Whether nothing remains to be read for it: a template that could not be looked for may still be there.

    From where a server is only extended to, its template cannot be told, and is not waited for.
    """
    told = not replicates_here or TEMPLATE_ID in topology or topology.get(TEMPLATE_SETTLED) is True
    return _CONFIGURATION in topology and told
