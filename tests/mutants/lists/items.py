"""Mutants of what an inventory item holds, and of the refresh that a query requests."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="region-left-out-of-the-item",
        breaks=("R12.9",),
        file="service/inventory/item.py",
        before='        "region": scope.region,\n        "replicationState"',
        after='        "replicationState"',
        tests=("unit/inventory/test_item.py::test_an_item_has_every_attribute_that_readers_need",),
    ),
    Mutant(
        name="tags-of-ec2-left-out-of-the-item",
        breaks=("R12.9",),
        file="service/inventory/item.py",
        before='"tags": {**server.tags, **(facts.tags if facts else {})},',
        after='"tags": dict(server.tags),',
        tests=("unit/inventory/test_item.py::test_an_item_has_every_attribute_that_readers_need",),
    ),
    Mutant(
        name="tags-of-drs-left-out-of-the-item",
        breaks=("R12.9",),
        file="service/inventory/item.py",
        before='"tags": {**server.tags, **(facts.tags if facts else {})},',
        after='"tags": dict(facts.tags if facts else {}),',
        tests=(
            "unit/inventory/test_item.py::test_an_item_has_every_attribute_that_readers_need",
            "unit/inventory/test_item.py::test_without_ec2_the_tags_are_those_of_drs",
        ),
    ),
    Mutant(
        name="item-names-the-account-that-sees-the-server-alone",
        breaks=("R12.9",),
        file="service/inventory/item.py",
        before="staging_account = server.staging_account or scope.account_id",
        after="staging_account = scope.account_id",
        tests=(
            "unit/inventory/test_item.py::test_an_extended_server_names_the_account_that_replicates_and_the_one_that_sees_it",
        ),
    ),
    Mutant(
        name="region-not-shown",
        breaks=("R12.9",),
        file="service/queries/brief.py",
        before='        "region": region,\n        "replicationRegion": region,',
        after='        "region": as_str(item.get("sourceRegion")),\n        "replicationRegion": region,',
        tests=("queries/test_inventory.py::test_a_server_shows_every_member",),
    ),
    Mutant(
        name="tags-not-shown",
        breaks=("R12.9",),
        file="service/queries/presenter.py",
        before='        "tags": tags,',
        after='        "tags": {},',
        tests=("queries/test_inventory.py::test_a_server_shows_every_member",),
    ),
    Mutant(
        name="refresh-not-requested",
        breaks=("R12.10",),
        file="service/query_app.py",
        before='refresh = {"refresh": await self._request_refresh(answer.stale)} if answer.stale else {}',
        after="refresh: dict[str, Any] = {}",
        tests=(
            "contract/test_sample_events.py::test_24_the_inventory_when_it_is_not_there_is_answered_by_drs_and_a_refresh_is_requested",
            "unit/test_query_app.py::test_each_scope_is_requested_once_a_minute",
        ),
    ),
    Mutant(
        name="refresh-of-everything",
        breaks=("R12.10",),
        file="service/query_app.py",
        before='"body": {"scopes": entries}',
        after='"body": {}',
        tests=(
            "contract/test_sample_events.py::test_24_the_inventory_when_it_is_not_there_is_answered_by_drs_and_a_refresh_is_requested",
        ),
    ),
    Mutant(
        name="refresh-requested-by-each-query",
        breaks=("R12.10",),
        file="service/query_app.py",
        before=">= _REFRESH_INTERVAL_S]",
        after=">= 0]",
        tests=("unit/test_query_app.py::test_each_scope_is_requested_once_a_minute",),
    ),
    Mutant(
        name="refresh-requested-once-for-ever",
        breaks=("R12.10",),
        file="service/query_app.py",
        before="_REFRESH_INTERVAL_S: Final = 60.0",
        after="_REFRESH_INTERVAL_S: Final = 3600.0",
        tests=("unit/test_query_app.py::test_each_scope_is_requested_once_a_minute",),
    ),
    Mutant(
        name="refresh-that-failed-not-requested-again",
        breaks=("R12.10",),
        file="service/query_app.py",
        before="            failure = await self._try_refresh(self.refresher, batch)\n",
        after=(
            "            failure = await self._try_refresh(self.refresher, batch)\n"
            "            self._requested_at.update(dict.fromkeys(batch, now))\n"
        ),
        tests=("unit/test_query_app.py::test_what_could_not_be_requested_is_reported_and_requested_again",),
    ),
    Mutant(
        name="id-of-the-server-not-shown",
        breaks=("R12.9",),
        file="service/queries/brief.py",
        before='"sourceServerID": as_str(item.get("sourceServerID")) or arn.rpartition("/")[2],',
        after='"sourceServerID": "",',
        tests=("queries/test_inventory.py::test_a_server_shows_every_member",),
    ),
    Mutant(
        name="servers-from-drs-lose-the-tags-of-ec2",
        breaks=("R12.9",),
        file="service/queries/live.py",
        before="ServerSnapshot(record, server, _facts(before, record)),",
        after="ServerSnapshot(record, server, None),",
        tests=("unit/queries/test_presenter.py::test_a_server_from_drs_keeps_what_only_the_inventory_knows",),
    ),
)
