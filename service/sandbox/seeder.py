"""Seeding of a declared fleet into moto, and of fragments added later.

What a scope holds is planned when it is declared, and made when something first uses the scope: a fleet of 100,000
servers starts at once. Scopes that extend servers of one another are made together, so nobody can see the difference.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends

from service.sandbox.ec2_instances import PlannedInstance, further_instances, has_zone, instances_at, run_instances
from service.sandbox.eventbridge import put_rules
from service.sandbox.faults import Faults
from service.sandbox.fleet import FleetError, merged
from service.sandbox.fleet_export import (
    DRS_MEMBERS,
    exported,
    restore_drs,
    restore_instances,
    saved_drs,
    saved_instances,
)
from service.sandbox.fleet_models import Account, ExtendedFrom, Fleet, Fragment, Region
from service.sandbox.lazy_backends import LazyAccount
from service.sandbox.moto_drs import drs_backends, shapes
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.records import drs_lock
from service.sandbox.ownership import AccountOwnership
from service.sandbox.saved_scopes import SavedScope
from service.sandbox.server_plans import ServerPlan, locations_of, plan_servers, record_of
from service.sandbox.tables import create_tables, put_account_rows, put_hub_row

__all__ = ["Seeder"]

# The sync under test may have changed a row, so it is rewritten only when a fragment declares one of these.
_ACCOUNT_ROW_MEMBERS: Final = frozenset({"name", "kinds", "role", "registered", "staging_accounts"})
_Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Part:
    """Servers that were declared for a scope at one time. Their numbers, and so their names, begin with `first`."""

    account_id: str
    name: str
    region: Region
    first: int
    declared_at: str

    def plans(self) -> list[ServerPlan]:
        """Plan the servers; each call gives the same ones."""
        return plan_servers(self.account_id, self.name, self.region, first=self.first)

    def fill(self, backend: Any) -> None:  # noqa: ANN401  (moto is untyped)
        """Add the servers to DRS."""
        with shapes.reproducible(f"{self.account_id}/{self.name}/{self.first}", self.declared_at):
            if not backend.initialized:
                backend.initialize_service()
                for number in range(1, self.region.templates + 1):
                    backend.create_replication_configuration_template(_template(number))
            for plan in self.plans():
                backend.add_source_server(record_of(plan))

    def run_instances(self, declared_at: datetime, backend: Any) -> None:  # noqa: ANN401  (moto is untyped)
        """Run those EC2 instances of the servers that are in the account and region of an EC2 backend."""
        for group in instances_at(self.plans(), backend.account_id, backend.region_name, declared_at):
            run_instances(backend, group)


class Seeder:
    """Seeder of one fleet; it keeps the merged fleet, so that fragments can be added."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.auto_advance = fleet.auto_advance
        self._lock = threading.Lock()
        self._ownership = AccountOwnership()
        self._numbers: dict[_Scope, Counter[str]] = defaultdict(Counter)  # those of `Numbers`
        self._own: Counter[_Scope] = Counter()  # servers of scopes that nothing has used yet
        self._extended: Counter[tuple[_Scope, str]] = Counter()  # the same, by staging account

    def seed(self) -> None:
        """Create the tables, rules and account rows of the fleet, and plan its instances and servers.

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
            self._restore(self.fleet.saved)
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
            self._make(fragment.accounts)
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
            for counts in (self._numbers, self._own, self._extended):
                counts.clear()

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

    def export(self, faults: Faults) -> dict[str, Any]:
        """Return the fleet as it is now, as a fleet document. This makes all scopes that nothing has used yet."""
        with self._lock, drs_lock:
            scopes = [
                scope
                for account_id in sorted(self.fleet.account_ids)
                for scope in self._saved(account_id, dict(_drs(account_id).items()), dict(_ec2(account_id).items()))
            ]
            fleet = self.fleet.model_copy(update={"auto_advance": self.auto_advance})
            return exported(fleet, faults, scopes)

    def count(self) -> int:
        """Return the current number of servers, including extended ones."""
        with self._lock, drs_lock:
            accounts = {account_id: _drs(account_id) for account_id in self.fleet.account_ids}
            planned = sum(
                number for (account_id, region), number in self._own.items() if accounts[account_id].is_planned(region)
            )
            planned += sum(
                number
                for ((account_id, region), _), number in self._extended.items()
                if accounts[account_id].is_planned(region)
            )
            return planned + sum(
                len(account[region].source_servers)
                for account in accounts.values()
                for region in list(account.keys())
                if not account.is_planned(region)
            )

    def _add(self, accounts: Sequence[Account]) -> None:
        for account_id, name, region in _scopes(accounts):
            if region.initialized:
                self._add_region(account_id, name, region)
        for account in accounts:
            self._add_instances(account)
        for account in self.fleet.accounts:  # all accounts: an added one may be the staging account of a known one
            self._trust(account)
        sources = [(id_, name, source) for id_, name, region in _scopes(accounts) for source in region.extended_from]
        for account_id, name, source in sources:
            _drs(source.account_id).fill(name, partial(_trust, account_id))
        for account_id, name, source in sources:  # all trust each other by now: two scopes may need one another
            self._extend(account_id, name, source)
        for account_id, name, region in _scopes(accounts):
            if any(server.record for server in region.distinct_servers()):
                drs_backends[account_id][name]  # an odd record shows now, and it may change the counts

    def _restore(self, saved: Iterable[SavedScope]) -> None:
        """Put back what an export has saved; it takes the place of what was planned for the region meanwhile."""
        for each in saved:
            scope = each.account_id, each.region
            self._numbers[scope].update(each.numbers.model_dump())
            self._own[scope] += len(each.servers)
            if each.instances:
                _ec2(each.account_id).fill(each.region, partial(restore_instances, each))
            if each.model_fields_set & DRS_MEMBERS:
                _drs(each.account_id).fill(each.region, partial(restore_drs, each))

    def _saved(self, account_id: str, drs: Mapping[str, Any], ec2: Mapping[str, Any]) -> Iterator[SavedScope]:
        for region in sorted({*drs, *ec2}):
            members = {
                **(saved_drs(drs[region]) if region in drs else {}),
                **(saved_instances(ec2[region]) if region in ec2 else {}),
            }
            if numbers := +self._numbers[account_id, region]:
                members["numbers"] = dict(numbers)
            if members:
                yield SavedScope(account_id=account_id, region=region, **members)

    def _make(self, added: Sequence[Account]) -> None:
        """Make the known scopes to which a fragment adds servers, and those that extend servers of theirs.

        They extend what was there before.
        """
        for account_id, name, _ in _scopes(added):
            if _drs(account_id).is_planned(name):
                drs_backends[account_id][name]

    def _add_region(self, account_id: str, name: str, region: Region) -> None:
        scope = account_id, name
        part = _Part(account_id, name, region, self._numbers[scope]["servers"] + 1, shapes.now())
        self._numbers[scope]["servers"] += region.number
        self._own[scope] += region.number
        for place in {(each.account_id, each.region) for each in locations_of(account_id, name, region)}:
            _ec2(place[0]).fill(place[1], partial(part.run_instances, utcnow()))
        _drs(account_id).fill(name, part.fill)

    def _add_instances(self, account: Account) -> None:
        for name, instances in account.instances.items():
            place = account.account_id, name
            planned = further_instances(*place, instances, utcnow(), first=self._numbers[place]["instances"])
            self._numbers[place]["instances"] += len(instances)
            _ec2(account.account_id).fill(name, partial(_run, planned))

    def _trust(self, account: Account) -> None:
        """Allow an account to extend servers of its staging accounts, in all regions where those have DRS."""
        for staging_id in account.staging_accounts:
            staging = self.fleet.account(staging_id)
            for name, region in staging.regions.items() if staging else ():
                if region.initialized:
                    _drs(staging_id).fill(name, partial(_trust, account.account_id))

    def _extend(self, account_id: str, name: str, source: ExtendedFrom) -> None:
        """Extend servers of a staging account into an account, when either of the two scopes is used."""
        scope, staging_scope = (account_id, name), (source.account_id, name)
        target, staging = _drs(account_id), _drs(source.account_id)
        if target.is_planned(name) and staging.is_planned(name):
            left = self._own[staging_scope] - self._extended[scope, source.account_id]
            self._extended[scope, source.account_id] += left if source.count is None else min(source.count, left)
        self._numbers[scope]["extensions"] += 1
        seed = f"{account_id}/{name}/extension/{self._numbers[scope]['extensions']}"
        target.fill(name, partial(_extend_all, source, seed, shapes.now()))
        staging.fill(name, lambda _: drs_backends[account_id][name])


def _scopes(accounts: Iterable[Account]) -> Iterator[tuple[str, str, Region]]:
    return ((account.account_id, name, region) for account in accounts for name, region in account.regions.items())


def _drs(account_id: str) -> LazyAccount:
    return LazyAccount.of(drs_backends, account_id, drs_lock)


def _ec2(account_id: str) -> LazyAccount:
    return LazyAccount.of(ec2_backends, account_id, threading.RLock())


def _run(planned: Sequence[PlannedInstance], backend: Any) -> None:  # noqa: ANN401  (moto is untyped)
    run_instances(backend, planned)


def _trust(account_id: str, backend: Any) -> None:  # noqa: ANN401  (moto is untyped)
    backend.trust(account_id)


def _extend_all(source: ExtendedFrom, seed: str, declared_at: str, backend: Any) -> None:  # noqa: ANN401
    with shapes.reproducible(seed, declared_at):
        for server in backend.list_extensible_source_servers(source.account_id)[: source.count]:
            backend.extend(server.arn)


def _check_regions(accounts: Sequence[Account]) -> None:
    for account in accounts:
        for name, region in account.regions.items():
            if name not in drs_backends[account.account_id]:
                known = ", ".join(sorted(drs_backends[account.account_id].regions))
                raise FleetError(f"account {account.account_id}: DRS has no region {name}. Fix: use one of {known}")
            for location in locations_of(account.account_id, name, region):
                if not has_zone(location.region, location.availability_zone):
                    raise FleetError(
                        f"account {account.account_id}: EC2 has no zone {location.availability_zone} in "
                        f"{location.region}, the origin of servers in {name}. Fix: correct the origin"
                    )
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
