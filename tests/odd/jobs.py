"""What odd answers are played against: each sync and query, and what it promises there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from unittest.mock import patch

import orjson

from service.accounts.records import DEFAULT_EXTERNAL_ID
from service.app import App, open_app
from service.aws.attribute_values import decode
from service.aws.structure import type_check
from service.cli.doctor_checks import Doctor
from service.context import SyncRequest
from service.errors import DrsSyncError
from service.handlers import query
from service.handlers.data_management.tags import get_tag_sync_settings, update_tag_sync_settings
from service.handlers.router import Params, Response, _fit_for_lambda
from service.query_app import open_query_app
from service.settings import Settings
from service.sync.coverage.choice import CoverageRequest
from tests.odd import samples
from tests.odd.aws import REGION, OddAws, OddClient
from tests.odd.mutations import Mutation, is_lawful_loss
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.dynamodb import AttributeValues, Key
from tests.simulation.host import settings as simulated_settings

__all__ = ["ACCOUNTS", "CONTROLS", "JOBS", "Job", "Outcome", "answering", "synced"]

ACCOUNTS: Final = 16
CONTROLS: Final = 2
"""Accounts whose own answers stay as they are."""
_LATER_S: Final = 3600.0
_CONFIGURATION: Final = type_check(samples.model("drs", "GetReplicationConfiguration").output_shape)
_SYNCED: Final[dict[str, dict[Key, AttributeValues]]] = {}


@dataclass(slots=True)
class Outcome:
    """What came of one run: how many answers were odd, and which promises it broke."""

    answers: int = 0
    broken: list[str] = field(default_factory=list)


@cache
def settings() -> Settings:
    """Return the settings, with nothing of the environment."""
    return simulated_settings(drs_regions=(REGION,), drs_extra_regions=(), topology_reads_per_scope=2)


@contextmanager
def answering(aws: OddAws) -> Iterator[None]:
    client = type("Client", (OddClient,), {"aws": aws})
    with (
        patch("service.app.AwsClient", client),
        patch("service.query_app.AwsClient", client),
        patch("service.cli.doctor_checks.AwsClient", client),
        patch("service.app.publish_metrics", _no_metrics),
        patch("service.query_app.publish_metrics", _no_metrics),
        patch.dict("os.environ", {"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null"}),
    ):
        yield


async def _no_metrics(*_: object) -> None:
    pass


async def _sync(loop: VirtualLoop, name: str) -> Mapping[str, Any]:
    async with open_app(settings(), loop.wall) as app:
        sync: Callable[[SyncRequest], Any] = getattr(app, name)
        report: Mapping[str, Any] = await sync(SyncRequest())
        return report


def synced() -> OddAws:
    """Return the simulated AWS with tables as three healthy syncs have left them."""
    if not _SYNCED:
        aws = OddAws(ACCOUNTS)
        with answering(aws):
            for name in ("sync_inventory", "sync_tags", "sync_inventory"):
                report = run(lambda loop, name=name: _sync(loop, name))  # type: ignore[misc]
                assert report["status"] == "complete", report["errors"]
        _SYNCED.update({name: table.items for name, table in aws.dynamodb.tables.items()})
    aws = OddAws(ACCOUNTS)
    for name, items in _SYNCED.items():
        aws.dynamodb.tables[name].items = dict(items)  # a write replaces an item, and changes none
    aws.stored_before = frozenset(arn for arn, kind in _SYNCED["source_server_inventory_table"] if kind.isdigit())
    return aws


def _arns(aws: OddAws) -> frozenset[str]:
    items = aws.dynamodb.tables["source_server_inventory_table"].items
    return frozenset(arn for arn, kind in items if kind.isdigit())


def _check_report(report: Mapping[str, Any], aws: OddAws, outcome: Outcome, *, is_hub: bool, shows: int) -> None:
    """Check that no scope met a bug, and that the accounts with good answers are complete."""
    orjson.dumps(report)
    problems = [*report["errors"], *report["warnings"]]
    outcome.broken += [f"a bug: {each}" for each in problems if each["code"] == "InternalError"]
    if is_hub:
        return
    good = set(aws.targets[:CONTROLS])
    outcome.broken += [f"a good account suffered: {each}" for each in report["errors"] if each.get("accountId") in good]
    if report["scopes"]["complete"] < CONTROLS:
        outcome.broken.append(f"good accounts are not complete: {report['scopes']}")
    if report.get("serversSynced", shows) < shows:
        outcome.broken.append(f"{report['serversSynced']} servers synced")


def _check_inventory(aws: OddAws, outcome: Outcome) -> None:
    """Check that no server was removed, and no scope counted as empty, because of an odd answer."""
    arns, before = _arns(aws), aws.stored_before
    rows = aws.dynamodb.tables["drs_region_status_table"].items.values()
    entries: Mapping[str, Any] = next((decode(row)["accounts"] for row in rows if "accounts" in row), {})
    topologies = () if aws.is_spoilt else aws.dynamodb.tables["source_server_topology_table"].items.values()
    for topology in topologies:
        kept = decode(topology).get("originalReplicationConfiguration", {})
        if not _CONFIGURATION(kept):
            outcome.broken.append(f"an original of an odd structure is kept for good: {kept}")
    for account in aws.targets:
        if any(is_lawful_loss(each) for each in _applied_to(aws, account, "DescribeSourceServers")):
            continue
        lost = {each["arn"] for each in aws.servers(account) if each["arn"] in before} - arns
        outcome.broken += [f"{arn} was removed" for arn in lost]
        count = entries.get(account, {}).get("serverCount")
        if isinstance(count, int) and count < 3 and "lastComplete" in entries[account]:
            outcome.broken.append(f"{account} counts {count} servers")


def _applied_to(aws: OddAws, account: str, operation: str) -> list[Mutation]:
    spoils = [spoil for spoil in aws.spoils if spoil.operation == operation and spoil.account in {"", account}]
    return [mutation for spoil in spoils for mutation in spoil.applied]


def _inventory(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    report = run(lambda loop: _sync(loop, "sync_inventory"))
    _check_report(report, aws, outcome, is_hub=is_hub, shows=3 * CONTROLS)
    _check_inventory(aws, outcome)


def _staging(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    report = run(lambda loop: _sync(loop, "sync_staging"))
    _check_report(report, aws, outcome, is_hub=is_hub, shows=0)
    outcome.broken += [f"{each} was extended {count} times" for each, count in aws.extended.items() if count > 1]
    if not is_hub and not all(aws.asked["drs", "CreateExtendedSourceServer", each] for each in aws.targets[:CONTROLS]):
        outcome.broken.append("a server of a good account was not extended")


def _tags(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    aws.dynamodb.tables["tag_sync_config_table"].items.clear()  # so that launch settings are read
    report = run(lambda loop: _sync(loop, "sync_tags"))
    _check_report(report, aws, outcome, is_hub=is_hub, shows=0)
    for account in aws.targets[:CONTROLS] if not is_hub else ():
        outcome.broken += [f"{each['arn']} has no tags" for each in aws.servers(account) if "team" not in each["tags"]]


async def _sync_coverage(loop: VirtualLoop) -> Mapping[str, Any]:
    async with open_app(settings(), loop.wall) as app:
        return await app.sync_coverage(CoverageRequest())


def _coverage(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    report = run(_sync_coverage)
    _check_report(report, aws, outcome, is_hub=is_hub, shows=0)
    looked_at = {each["accountId"]: each for each in report["lookedAt"]}
    unknown = {each["accountId"] for each in report["unknown"]}
    if report["status"] == "complete" and unknown:
        outcome.broken.append(f"complete, with {unknown} unknown")
    if is_hub:
        return
    outcome.broken += [f"{each} is neither read nor unknown" for each in {*aws.targets} - looked_at.keys() - unknown]
    for account in aws.targets[:CONTROLS]:
        if looked_at.get(account, {}).get("protected") != 2:
            outcome.broken.append(f"a good account is not covered: {looked_at.get(account)}")


async def _ask(aws: OddAws, loop: VirtualLoop, outcome: Outcome, *, is_hub: bool) -> None:
    """Ask every query; each refuses or answers, and its answer is whole where the good accounts are concerned."""
    loop.advance(_LATER_S)
    target = aws.targets[-1]
    given: Mapping[str, Any] = {"accountId": target, "targetAccountId": target, "account_id": target, "region": REGION}
    staging = {"accountId": aws.staging_of[target], "externalId": DEFAULT_EXTERNAL_ID, "region": REGION}
    questions: Sequence[tuple[Any, Mapping[str, Any]]] = (
        (query.handle_get_source_server_inventory, {}),
        (query.get_drs_source_servers, {"region": REGION, "account_id": target}),
        (query.handle_get_extended_source_servers, {}),
        (query.handle_discover_staging_accounts, given),
        (query.handle_validate_staging_account, staging),
        (query.get_staging_accounts_direct, given),
    )
    async with open_query_app(settings(), loop.wall) as app:
        for question, params in questions:
            try:
                body = (await question(app, Params(params))).body
            except DrsSyncError:
                continue  # told as an error: not taken for an empty answer
            _fit_for_lambda(Response(body))
            if question is query.handle_get_source_server_inventory and not is_hub:
                _check_answer(body, aws, outcome)
        for part in (app.regions, app.accounts):
            try:
                _fit_for_lambda(Response((await part.run()).body))
            except DrsSyncError:
                continue


def _check_answer(body: Mapping[str, Any], aws: OddAws, outcome: Outcome) -> None:
    shown = dict.fromkeys(aws.targets, 0)
    for server in body["servers"]:
        shown[server["accountId"]] = shown.get(server["accountId"], 0) + 1
    outcome.broken += [f"{each} lacks servers" for each in aws.targets[:CONTROLS] if shown[each] != 3]
    if body["complete"] and any(
        not count and not any(map(is_lawful_loss, _applied_to(aws, account, "DescribeSourceServers")))
        for account, count in shown.items()
    ):
        outcome.broken.append("an answer without the servers of an account says that it is complete")


def _queries(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    run(lambda loop: _ask(aws, loop, outcome, is_hub=is_hub))


async def _ask_failback(aws: OddAws, loop: VirtualLoop, outcome: Outcome, *, is_hub: bool) -> None:
    """Ask where a server of each account came from, and how it goes back."""
    async with open_query_app(settings(), loop.wall) as app:
        for account in aws.targets:
            name = aws.servers(account)[0]["sourceServerID"]
            try:
                body = (await query.get_failback_topology(app, Params({"id": name}))).body
            except DrsSyncError:
                if not is_hub:
                    outcome.broken.append(f"no answer about {name}, although the tables have it")
                continue
            _fit_for_lambda(Response(body))
            if account in aws.targets[:CONTROLS] and not is_hub and not body["facts"]["asked"]:
                outcome.broken.append(f"DRS was not read for {name}: {body['facts']['notes']}")


def _failback(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    run(lambda loop: _ask_failback(aws, loop, outcome, is_hub=is_hub))


def _doctor(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    async def check(_: VirtualLoop) -> None:
        await Doctor(settings(), (), ()).run()

    run(check)


def _schedule(aws: OddAws, outcome: Outcome, *, is_hub: bool) -> None:
    async def change(loop: VirtualLoop) -> None:
        async with open_app(settings(), loop.wall) as app:
            for params in ({"enabled": True, "intervalHours": 2}, {"enabled": True}, {"enabled": False}):
                for work in (get_tag_sync_settings, update_tag_sync_settings):
                    await _try(work, app, params)

    run(change)


async def _try(work: Callable[[App, Params], Any], app: App, params: Mapping[str, Any]) -> None:
    try:
        orjson.dumps((await work(app, Params(params))).body)
    except DrsSyncError:
        return


_SCOPE_READS: Final = (
    ("drs", "DescribeSourceServers"),
    ("ec2", "DescribeInstances"),
    ("sts", "AssumeRole"),
)
_TOPOLOGY: Final = (("drs", "GetReplicationConfiguration"), ("drs", "DescribeReplicationConfigurationTemplates"))
_TABLES: Final = tuple(("dynamodb", name) for name in ("Query", "Scan", "GetItem", "BatchGetItem"))
_WRITES: Final = tuple(("dynamodb", name) for name in ("BatchWriteItem", "PutItem", "UpdateItem", "DeleteItem"))
_IDENTITY: Final = ("sts", "GetCallerIdentity")


@dataclass(frozen=True, slots=True)
class Job:
    """A run: what it does, and the operations whose answers it reads, of single accounts and of the hub."""

    work: Callable[..., None]
    operations: tuple[tuple[str, str], ...]
    of_hub: tuple[tuple[str, str], ...]
    starts_empty: bool = False


JOBS: Final[Mapping[str, Job]] = {
    "inventory": Job(_inventory, _SCOPE_READS, (*_TABLES, *_WRITES, _IDENTITY)),
    "first inventory": Job(_inventory, (*_SCOPE_READS, *_TOPOLOGY), (*_TABLES, *_WRITES), starts_empty=True),
    "staging": Job(
        _staging,
        (
            ("drs", "ListStagingAccounts"),
            ("drs", "ListExtensibleSourceServers"),
            ("drs", "CreateExtendedSourceServer"),
            ("sts", "AssumeRole"),
        ),
        (*_TABLES, _IDENTITY),
    ),
    "tags": Job(
        _tags,
        (
            *_SCOPE_READS,
            ("drs", "GetLaunchConfiguration"),
            ("drs", "UpdateLaunchConfiguration"),
            ("drs", "TagResource"),
        ),
        (*_TABLES, *_WRITES, _IDENTITY),
    ),
    "coverage": Job(
        _coverage,
        (("ec2", "DescribeInstances"), ("sts", "AssumeRole")),
        (*_TABLES, ("dynamodb", "PutItem"), ("dynamodb", "UpdateItem"), _IDENTITY),
    ),
    "queries": Job(
        _queries,
        (("drs", "DescribeSourceServers"), ("sts", "AssumeRole")),
        (*_TABLES, _IDENTITY),
    ),
    "failback": Job(
        _failback,
        (("drs", "DescribeSourceServers"), ("drs", "DescribeRecoveryInstances"), ("sts", "AssumeRole")),
        (*_TABLES, _IDENTITY),
    ),
    "doctor": Job(
        _doctor,
        (("drs", "DescribeSourceServers"), ("sts", "AssumeRole")),
        (*_TABLES, _IDENTITY, ("dynamodb", "DescribeTable")),
    ),
    "schedule": Job(_schedule, (), (("events", "DescribeRule"), ("events", "PutRule"))),
}
