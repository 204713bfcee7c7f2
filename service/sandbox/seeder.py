"""Seeding of a declared fleet into moto, and of fragments added later."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from moto.ec2.models import ec2_backends

from service.sandbox.ec2_instances import run_further_instances, run_instances_of
from service.sandbox.eventbridge import put_rules
from service.sandbox.fleet import FleetError, merged
from service.sandbox.fleet_models import Account, ExtendedFrom, Fleet, Fragment, Region
from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.ownership import AccountOwnership
from service.sandbox.server_plans import plan_servers, record_of
from service.sandbox.tables import create_tables, put_account_rows, put_hub_row

__all__ = ["Seeder"]

# The sync under test may have changed a row, so it is rewritten only when a fragment declares one of these.
_ACCOUNT_ROW_MEMBERS: Final = frozenset({"name", "kinds", "role", "registered", "staging_accounts"})


class Seeder:
    """Seeder of one fleet; it keeps the merged fleet, so that fragments can be added."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.auto_advance = fleet.auto_advance
        self._lock = threading.Lock()
        self._ownership = AccountOwnership()
        self._last_numbers: dict[tuple[str, str], int] = defaultdict(int)  # by scope: numbers name the servers

    def seed(self) -> None:
        """Create the tables, rules, account rows, instances and servers of the fleet.

        Raises:
            FleetError: DRS does not have a declared region, or another sandbox owns a declared account.
        """
        with self._lock:
            _check_regions(self.fleet.accounts)
            self._ownership.acquire(self.fleet.account_ids)
            drs_clock.set_auto_advance(self.fleet.account_ids, is_on=self.auto_advance)
            create_tables(self.fleet)
            put_rules(self.fleet)
            self._add(self.fleet.accounts)
            put_account_rows(self.fleet, self.fleet.accounts)
            put_hub_row(self.fleet)

    def add(self, fragment: Fragment) -> Fleet:
        """Add a fragment and return the merged fleet. In a known region, its servers are added to the existing ones.

        Raises:
            FleetError: the fragment does not fit the fleet; nothing is added.
        """
        with self._lock:
            _check_regions(fragment.accounts)
            before, after = self.fleet, merged(self.fleet, fragment)
            self._ownership.acquire(after.account_ids)
            drs_clock.set_auto_advance(after.account_ids, is_on=self.auto_advance)
            self.fleet = after
            self._add(fragment.accounts)
            changed = {
                account.account_id
                for account in fragment.accounts
                if before.account(account.account_id) is None or account.model_fields_set & _ACCOUNT_ROW_MEMBERS
            }
            put_account_rows(after, [account for account in after.accounts if account.account_id in changed])
            return after

    def clear(self) -> None:
        """Remove everything and release the accounts."""
        with self._lock:
            drs_clock.set_auto_advance(self.fleet.account_ids, is_on=True)
            self._ownership.release()
            self._last_numbers.clear()

    def set_auto_advance(self, *, is_on: bool) -> None:
        """Let reads advance the states of DRS in all accounts, or only the clock."""
        with self._lock:
            self.auto_advance = is_on
            drs_clock.set_auto_advance(self.fleet.account_ids, is_on=is_on)

    def remove(self, account_id: str, region: str, source_server_ids: Sequence[str]) -> int:
        """Remove servers and return their number; unknown ids are ignored.

        Raises:
            FleetError: DRS does not have the region.
        """
        with self._lock:
            if region not in drs_backends[account_id]:
                raise FleetError(f"DRS has no region {region}")
            backend = drs_backends[account_id][region]
            removed = [server_id for server_id in source_server_ids if server_id in backend.source_servers]
            for server_id in removed:
                backend.remove_source_server(server_id)
            return len(removed)

    def count(self) -> int:
        """Return the current number of servers, including extended ones."""
        return sum(
            len(backend.source_servers)
            for account_id in self.fleet.account_ids
            for backend in list(drs_backends[account_id].values())
        )

    def _add(self, accounts: Sequence[Account]) -> None:
        for account in accounts:
            for name, region in account.regions.items():
                if region.initialized:
                    self._add_region(account.account_id, name, region)
            for name, instances in account.instances.items():
                run_further_instances(account.account_id, name, instances)
        for account in self.fleet.accounts:  # all accounts: an added one may be the staging account of a known one
            self._trust(account)
        for account in accounts:
            for name, region in account.regions.items():
                for source in region.extended_from:
                    self._extend(account.account_id, name, source)

    def _add_region(self, account_id: str, name: str, region: Region) -> None:
        backend = drs_backends[account_id][name]
        if not backend.initialized:
            backend.initialize_service()
            for number in range(1, region.templates + 1):
                backend.create_replication_configuration_template(_template(number))
        scope = account_id, name
        plans = plan_servers(account_id, name, region, first=self._last_numbers[scope] + 1)
        self._last_numbers[scope] += len(plans)
        instances = run_instances_of(plans)
        for plan in plans:
            instance = instances.get(plan.number)
            record = record_of(plan, instance and instance.id, instance and instance.private_ip)
            backend.add_source_server(record)

    def _trust(self, account: Account) -> None:
        """Allow an account to extend servers of its staging accounts, in all regions where those have DRS."""
        for staging in self.fleet.accounts:
            if staging.account_id not in account.staging_accounts:
                continue
            for name, region in staging.regions.items():
                if region.initialized:
                    drs_backends[staging.account_id][name].trust(account.account_id)

    def _extend(self, account_id: str, name: str, source: ExtendedFrom) -> None:
        drs_backends[source.account_id][name].trust(account_id)
        backend = drs_backends[account_id][name]
        for server in backend.list_extensible_source_servers(source.account_id)[: source.count]:
            backend.extend(server.arn)


def _check_regions(accounts: Sequence[Account]) -> None:
    for account in accounts:
        for name in account.regions:
            if name not in drs_backends[account.account_id]:
                known = ", ".join(sorted(drs_backends[account.account_id].regions))
                raise FleetError(f"account {account.account_id}: DRS has no region {name}. Fix: use one of {known}")
        for name in account.instances:
            if name not in ec2_backends[account.account_id]:
                raise FleetError(f"account {account.account_id}: EC2 has no region {name}. Fix: correct its name")


def _template(number: int) -> dict[str, Any]:
    return {
        "stagingAreaSubnetId": f"subnet-{number:017x}",
        "replicationServersSecurityGroupsIDs": [f"sg-{number:017x}"],
        "replicationServerInstanceType": "t3.small",
        "stagingAreaTags": {"Purpose": "drs-staging"},
    }
