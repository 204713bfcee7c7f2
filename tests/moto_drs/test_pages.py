"""Pagination of every listing: contents, default page size, invalid tokens."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.backends import get_backend

from service.sandbox.moto_drs.models import DRSBackend
from service.sandbox.moto_drs.urls import url_paths
from tests.moto_drs import plan_calls
from tests.moto_drs.conftest import manual_backend
from tests.moto_drs.test_errors import ACTION_MEMBERS

_numbers = random.SystemRandom()
ACCOUNT = str(_numbers.randrange(10**11, 10**12))  # staging account; each test creates its own servers
ID = "s-3b8f0c91d27a4e56f"
JOB = "drsjob-00000000000000001"


@dataclass(frozen=True)
class Listing:
    """Paginated operation. `make` creates resources and returns their ids in the order the operation lists them."""

    operation: str
    make: Callable[[DRSBackend, int], Sequence[str]]
    id_member: str
    default: int = 100
    most: int | None = None  # as many as there can be, if the default page holds all
    key: str = "items"
    params: dict[str, Any] = field(default_factory=dict)


def servers(backend: DRSBackend, count: int) -> list[str]:
    return [backend.add_source_server({}).source_server_id for _ in range(count)]


def templates(backend: DRSBackend, count: int) -> list[str]:
    return [backend.create_replication_configuration_template({}).template_id for _ in range(count)]


def jobs(backend: DRSBackend, count: int) -> list[str]:
    backend.max_jobs_in_progress = count
    started = [backend.start_recovery({each: None}, is_drill=True).job_id for each in servers(backend, count)]
    return started[::-1]


def instances(backend: DRSBackend, count: int) -> list[str]:
    backend.max_servers_in_job = count
    if not count:
        return []
    backend.start_recovery(dict.fromkeys(servers(backend, count)), is_drill=True)
    backend.advance()
    return list(backend.recovery_instances)


def snapshots(backend: DRSBackend, count: int) -> list[str]:
    server = backend.add_source_server({"sourceServerID": ID})
    server.snapshots.clear()
    for _ in range(count):
        server.take_snapshot()
    return [str(each["snapshotID"]) for each in server.snapshots]


def extensible(backend: DRSBackend, count: int) -> list[str]:
    staging = manual_backend(ACCOUNT)
    staging.source_servers.clear()
    staging.trust(backend.account_id)
    return [staging.add_source_server({}).arn for _ in range(count)]


def launch_templates(backend: DRSBackend, count: int) -> list[str]:
    backend.max_launch_templates = count
    return [backend.create_launch_configuration_template({}).template_id for _ in range(count)]


def launch_actions(backend: DRSBackend, count: int) -> list[str]:
    """Create actions in another order than the one they run, and are listed, in."""
    backend.add_source_server({"sourceServerID": ID})
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
    for number in reversed(range(count)):
        backend.put_launch_action(ID, {**ACTION_MEMBERS, "actionId": ids[number], "order": 2 + number})
    return ids


def job_log_items(backend: DRSBackend, count: int) -> list[str]:
    job = backend.start_recovery({servers(backend, 1)[0]: None}, is_drill=True)
    job.record["jobID"] = JOB
    backend.jobs[JOB] = job
    times = [f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z" for number in range(count)]
    job.log_items += [{"logDateTime": each, "event": "LAUNCH_START"} for each in times]
    return times


def networks(backend: DRSBackend, count: int) -> list[str]:
    backend.max_source_networks = count
    ec2 = get_backend("ec2")[backend.account_id][backend.region_name]
    vpcs = [ec2.create_vpc("10.0.0.0/16").id for _ in range(count)]
    return [backend.create_source_network(each, backend.account_id, backend.region_name).network_id for each in vpcs]


def staging_accounts(backend: DRSBackend, count: int) -> list[str]:
    accounts = sorted(str(each) for each in _numbers.sample(range(10**11, 10**12), count))
    for account_id in reversed(accounts):
        staging = manual_backend(account_id)
        staging.trust(backend.account_id)
        backend.extend(staging.add_source_server({}).arn)
    return accounts


LISTINGS = [
    Listing("describe_source_servers", servers, "sourceServerID"),
    Listing("describe_replication_configuration_templates", templates, "replicationConfigurationTemplateID"),
    Listing("describe_jobs", jobs, "jobID"),
    Listing("describe_recovery_instances", instances, "recoveryInstanceID"),
    Listing("describe_recovery_snapshots", snapshots, "snapshotID", params={"sourceServerID": ID}),
    Listing("list_extensible_source_servers", extensible, "arn", params={"stagingAccountID": ACCOUNT}),
    Listing("describe_launch_configuration_templates", launch_templates, "launchConfigurationTemplateID"),
    Listing("list_launch_actions", launch_actions, "actionId", params={"resourceId": ID}),
    Listing("describe_job_log_items", job_log_items, "logDateTime", params={"jobID": JOB}),
    Listing("describe_source_networks", networks, "sourceNetworkID"),
    Listing("list_recovery_plans", plan_calls.make_plans, "recoveryPlanArn", key="recoveryPlans"),
    Listing(
        "list_recovery_plan_steps",
        plan_calls.make_steps,
        "recoveryPlanStepArn",
        most=20,
        key="recoveryPlanSteps",
        params=plan_calls.PLAN,
    ),
    Listing(
        "list_recovery_plan_executions",
        plan_calls.make_executions,
        "recoveryPlanExecutionArn",
        key="recoveryPlanExecutions",
    ),
    Listing(
        "list_recovery_plan_execution_steps",
        plan_calls.make_execution_steps,
        "recoveryPlanExecutionStepArn",
        most=20,
        key="recoveryPlanExecutionSteps",
        params=plan_calls.EXECUTION,
    ),
    Listing("list_staging_accounts", staging_accounts, "accountID", default=50, key="accounts"),
]
every_listing = pytest.mark.parametrize("listing", LISTINGS, ids=lambda each: each.operation)


def pages_of(client: Any, listing: Listing, **params: Any) -> list[list[str]]:
    answer = getattr(client, listing.operation)(**listing.params, **params)
    pages = [answer]
    while "nextToken" in answer:
        answer = getattr(client, listing.operation)(**listing.params, **params, nextToken=answer["nextToken"])
        pages.append(answer)
    return [[each[listing.id_member] for each in page[listing.key]] for page in pages]


def test_every_listing_is_in_these_tests(client: Any) -> None:
    served = {path.removeprefix("{0}/").removesuffix("$") for path in url_paths}
    methods = client.meta.method_to_api_mapping.items()
    pageable = {method for method, operation in methods if operation in served and client.can_paginate(method)}
    assert {each.operation for each in LISTINGS} == pageable


@every_listing
def test_pages_hold_exactly_what_they_should(client: Any, backend: DRSBackend, listing: Listing) -> None:
    made = list(listing.make(backend, 7))
    assert pages_of(client, listing, maxResults=3) == [made[:3], made[3:6], made[6:]]
    assert pages_of(client, listing, maxResults=7) == [made]
    assert pages_of(client, listing, maxResults=1) == [[each] for each in made]


@every_listing
def test_the_default_page(client: Any, backend: DRSBackend, listing: Listing) -> None:
    made = list(listing.make(backend, listing.most or listing.default + 1))
    assert pages_of(client, listing) == ([made] if listing.most else [made[:-1], made[-1:]])


@every_listing
def test_an_empty_listing_is_one_empty_page(client: Any, backend: DRSBackend, listing: Listing) -> None:
    listing.make(backend, 0)
    assert pages_of(client, listing) == [[]]


@every_listing
@pytest.mark.parametrize("last", [None, True, 0.5, [1], {"number": 1}])
def test_a_forged_token_is_rejected(client: Any, backend: DRSBackend, listing: Listing, last: object) -> None:
    listing.make(backend, 2)
    token = getattr(client, listing.operation)(**listing.params, maxResults=1)["nextToken"]
    name, _ = json.loads(base64.urlsafe_b64decode(token))
    forged = base64.urlsafe_b64encode(json.dumps([name, last]).encode()).decode()
    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        getattr(client, listing.operation)(**listing.params, nextToken=forged)


@pytest.mark.parametrize(
    ("listing", "params"),
    [
        (LISTINGS[0], {"filters": {"sourceServerIDs": [], "stagingAccountIDs": []}}),
        (LISTINGS[0], {"filters": {}}),
        (LISTINGS[1], {"replicationConfigurationTemplateIDs": []}),
        (LISTINGS[2], {"filters": {"jobIDs": []}}),
        (LISTINGS[3], {"filters": {"recoveryInstanceIDs": [], "sourceServerIDs": []}}),
    ],
    ids=lambda each: getattr(each, "operation", ""),
)
def test_an_empty_filter_matches_everything(
    client: Any, backend: DRSBackend, listing: Listing, params: dict[str, Any]
) -> None:
    made = list(listing.make(backend, 3))
    assert pages_of(client, listing, **params) == [made]


@pytest.mark.parametrize(
    ("listing", "params"),
    [
        (LISTINGS[0], {"filters": {"sourceServerIDs": ["s-00000000000000000"]}}),
        (LISTINGS[0], {"filters": {"stagingAccountIDs": ["000000000000"]}}),
        (LISTINGS[1], {"replicationConfigurationTemplateIDs": ["rct-00000000000000000"]}),
        (LISTINGS[2], {"filters": {"jobIDs": ["drsjob-00000000000000000"]}}),
        (LISTINGS[3], {"filters": {"recoveryInstanceIDs": ["i-00000000000000000"]}}),
        (LISTINGS[3], {"filters": {"sourceServerIDs": ["s-00000000000000000"]}}),
    ],
    ids=lambda each: getattr(each, "operation", ""),
)
def test_unknown_ids_are_left_out(client: Any, backend: DRSBackend, listing: Listing, params: dict[str, Any]) -> None:
    listing.make(backend, 2)
    assert pages_of(client, listing, **params) == [[]]
