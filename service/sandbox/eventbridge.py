"""EventBridge rule that starts the tag sync in the hub. The sandbox never triggers it."""

from __future__ import annotations

from moto.events.models import events_backends

from service.sandbox.fleet_models import Fleet

__all__ = ["put_rules"]


def put_rules(fleet: Fleet) -> None:
    """Create the tag sync rule in the hub's region, hourly and enabled, unless the fleet declares that it has none."""
    if not fleet.hub.tag_sync_rule:
        return
    backend = events_backends[fleet.hub.account_id][fleet.hub.region]
    backend.put_rule(
        fleet.tables.name_of("tag-sync-schedule"),
        description="Starts the sync of tags from EC2 instances to DRS source servers",
        scheduled_expression="rate(1 hour)",
        state="ENABLED",
    )
