"""Comparison of the tables with DRS, once two runs without faults have had the chance to repair them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws.attribute_values import decode
from service.models import Scope
from tests.simulation.aws import STAGING, TARGETS, SimulatedAws
from tests.simulation.promises import Promises

__all__ = ["Comparison"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the tables of the simulated AWS should hold after these jobs."""

    aws: SimulatedAws
    promises: Promises
    jobs: Collection[str]

    def missed_scopes(self) -> list[Scope]:
        """Return the scopes that have servers, or should have, and for which the table counts none."""
        rows = self.aws.dynamodb.tables["drs_region_status_table"].items
        counts = {
            Scope(account_id, key[0]): entry.get("serverCount")
            for key, row in rows.items()
            for account_id, entry in decode(row).get("accounts", {}).items()
        }
        wanted = [
            scope
            for scope, drs in self.aws.drs.items()
            if drs.servers and (scope.account_id != STAGING or "staging" in self.jobs)
        ]
        targets = {
            Scope(TARGETS[0] if scope.account_id == STAGING else scope.account_id, scope.region) for scope in wanted
        }
        return sorted(each for each in targets if not counts.get(each) and each.account_id not in self.aws.denied)

    @property
    def _reachable(self) -> set[str]:
        return set(self.aws.targets) - self.aws.denied

    def compare(self) -> None:
        """Compare everything."""
        actual = self._actual()
        self._compare_inventory(actual)
        self._compare_counts()
        if "tags" in self.jobs:
            self._compare_tags()
        if "staging" in self.jobs and TARGETS[0] in self._reachable:
            self._compare_extensions()

    def compare_ghosts(self, *, excepted: Collection[Scope] = ()) -> None:
        """Check that no item is left of a server that DRS lacks, except in some scopes."""
        for arn in self.ghosts():
            if Scope(*reversed(arn.split(":")[3:5])) not in excepted:
                self.promises.breaks("an item of a server that left goes", arn)

    def ghosts(self) -> list[str]:
        """Return the ARNs of items whose server DRS lacks."""
        return sorted(self._stored().keys() - self._actual().keys())

    def denied_scopes(self) -> set[Scope]:
        """Return the scopes that were denied or switched off at their last scan, so that the next one is not urgent."""
        rows = self.aws.dynamodb.tables["drs_region_status_table"].items
        return {
            Scope(account_id, key[0])
            for key, row in rows.items()
            for account_id, entry in decode(row).get("accounts", {}).items()
            if entry.get("status") in _DENIED
        }

    def _actual(self) -> dict[str, Mapping[str, Any]]:
        return {
            record["arn"]: record
            for scope, drs in self.aws.drs.items()
            if scope.account_id in self._reachable
            for record in drs.servers.values()
        }

    def _items(self) -> list[dict[str, Any]]:
        return [decode(item) for item in self.aws.dynamodb.tables["source_server_inventory_table"].items.values()]

    def _stored(self) -> dict[str, Mapping[str, Any]]:
        return {
            item["sourceServerArn"]: item
            for item in self._items()
            if item["stagingAccountId"].isdigit() and item["_queryAccount"] in self._reachable
        }

    def _compare_inventory(self, actual: Mapping[str, Any]) -> None:
        breaks, stored = self.promises.breaks, self._stored()
        for arn in actual.keys() - stored.keys():
            breaks("the next runs repair", f"{arn} is not in the inventory")
        for arn in stored.keys() - actual.keys():
            breaks("the next runs repair", f"{arn} is still in the inventory")
        kept = self.aws.dynamodb.tables["source_server_topology_table"].items
        names = {pk.removeprefix("id#") for pk, _ in kept}
        origins = {pk for pk, sk in kept if sk == "TOPOLOGY"}
        for pk, sk in self.aws.dynamodb.tables["source_server_inventory_table"].items:
            if not sk.isdigit():
                breaks("the inventory has items of servers only", f"{pk} {sk}")
        for arn, record in actual.items():
            state = record["dataReplicationInfo"]["dataReplicationState"]
            if arn in stored and stored[arn]["replicationState"] != state:
                breaks("the next runs repair", f"{arn} is {stored[arn]['replicationState']}")
            hints = record["sourceProperties"]["identificationHints"]
            if missing := {record["sourceServerID"], *hints.values()} - names:
                breaks("every name leads to the origin", f"{missing} of {arn}")
            if record["stagingArea"].get("stagingSourceServerArn", arn) not in origins:
                breaks("original topology is never lost", arn)

    def _compare_counts(self) -> None:
        rows = self.aws.dynamodb.tables["drs_region_status_table"].items
        for scope, drs in self.aws.drs.items():
            if scope.account_id not in self._reachable:
                continue
            row = decode(rows[scope.region,]) if (scope.region,) in rows else {}
            entry = row.get("accounts", {}).get(scope.account_id, {})
            if entry.get("serverCount", 0) != len(drs.servers):
                self.promises.breaks("the next runs repair", f"{scope} counts {entry}, has {len(drs.servers)}")

    def _compare_tags(self) -> None:
        for scope, drs in self.aws.drs.items():
            if scope.account_id not in self._reachable:
                continue
            for record in drs.servers.values():
                cloud = record["sourceCloudProperties"]
                origin = Scope(cloud["originAccountID"], cloud["originRegion"])
                instance = record["sourceProperties"]["identificationHints"]["awsInstanceID"]
                entry = self.aws.instances.get(origin, {}).get(instance)
                if entry is None or record["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED":
                    continue
                missing = {tag["Key"] for tag in entry["Tags"] if record["tags"].get(tag["Key"]) != tag["Value"]}
                if missing:
                    self.promises.breaks("the next runs repair", f"{record['arn']} lacks its tags {missing}")

    def _compare_extensions(self) -> None:
        staged = {
            record["arn"]
            for scope, drs in self.aws.drs.items()
            if scope.account_id == STAGING
            for record in drs.servers.values()
        }
        extended = {
            record["stagingArea"]["stagingSourceServerArn"]
            for scope, drs in self.aws.drs.items()
            if scope.account_id == TARGETS[0]
            for record in drs.servers.values()
            if record["stagingArea"].get("stagingSourceServerArn")
        }
        if staged != extended:
            self.promises.breaks("the next runs repair", f"extended {extended}, to be {staged}")


_DENIED: Final = {"IAM_PERMISSION_DENIED", "SCP_DENIED", "REGION_NOT_ENABLED", "REGION_NOT_OPTED_IN"}
