"""Assignment to protection groups in the answer about the servers of a region, from the platform's table."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from service.aws.dynamodb import TableReader
from service.queries.protection_groups import read_assignments
from tests.queries.client import QueryClient
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EngineSandbox


class Groups:
    """The platform's table of protection groups."""

    def __init__(self, sandbox: EngineSandbox) -> None:
        self.name = f"protection-groups-{sandbox.names.hub[:6]}"
        self._table = sandbox.dynamodb.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "groupId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "groupId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self._account = sandbox.names.a
        sandbox.set(PROTECTION_GROUPS_TABLE=self.name)

    def put(self, group_id: str, **members: Any) -> None:
        row = {"groupId": group_id, "groupName": group_id.upper(), "region": "us-west-2", "accountId": self._account}
        self._table.put_item(Item={**row, **members})


@pytest.fixture
def groups(sandbox: EngineSandbox) -> Groups:
    return Groups(sandbox)


def named(group_id: str) -> dict[str, str]:
    return {"protectionGroupId": group_id, "protectionGroupName": group_id.upper()}


def shown(body: dict[str, Any]) -> dict[str, tuple[Any, bool]]:
    return {each["sourceServerID"]: (each["assignedToProtectionGroup"], each["selectable"]) for each in body["servers"]}


async def test_servers_of_other_groups_are_told_and_cannot_be_selected(
    client: QueryClient, sandbox: EngineSandbox, groups: Groups
) -> None:
    a = sandbox.names.a
    ids = sorted(
        each["sourceServerID"] for each in (await client.servers(region="us-west-2", accountId=a)).body["servers"]
    )
    groups.put("pg-1", sourceServerIds=ids[:1], launchConfig={"copyTags": True})
    groups.put("pg-2", sourceServerIds=ids[1:2])
    groups.put("pg-3", sourceServerIds=ids[2:3], region="eu-west-1")
    groups.put("pg-4", sourceServerIds=ids[3:4], accountId=sandbox.names.b)
    answer = await client.servers(region="us-west-2", accountId=a)
    free = (None, True)
    assert shown(answer.body) == {
        ids[0]: (named("pg-1"), False),
        ids[1]: (named("pg-2"), False),
        **dict.fromkeys(ids[2:], free),
    }
    assert (answer.body["assignmentKnown"], answer.body["complete"], answer.body["errors"]) == (True, True, [])
    assert client.calls == {("dynamodb", "Query"): 1, ("dynamodb", "Scan"): 3, ("dynamodb", "BatchGetItem"): 1}

    editing = await client.servers(
        region="us-west-2", accountId=a, currentProtectionGroupId="pg-1", filterByProtectionGroup="pg-2"
    )
    assert shown(editing.body) == {**shown(answer.body), ids[0]: free}


async def test_servers_of_drs_are_assigned_by_tags_as_those_of_the_inventory(
    client: QueryClient, sandbox: EngineSandbox, groups: Groups
) -> None:
    a = sandbox.names.a
    servers = (await client.servers(region="us-west-2", accountId=a)).body["servers"]
    names = sorted(each["nameTag"] for each in servers if each["nameTag"])
    groups.put("pg-1", serverSelectionTags={"Name": names[0]})
    from_inventory = (await client.servers(region="us-west-2", accountId=a)).body
    client.age(a, "us-west-2", 901)
    from_drs = (await client.servers(region="us-west-2", accountId=a)).body
    assert (from_inventory["source"], from_drs["source"]) == ("inventory_database", "drs_api")
    assert shown(from_inventory) == shown(from_drs)
    assigned = [each["nameTag"] for each in from_drs["servers"] if each["assignedToProtectionGroup"]]
    assert assigned == [names[0]]


async def test_groups_on_a_later_page_count(client: QueryClient, sandbox: EngineSandbox, groups: Groups) -> None:
    servers = (await client.servers(region="us-west-2", accountId=sandbox.names.a)).body["servers"]
    for number in range(4):  # a page holds 1 MB
        groups.put(f"pg-{number}", notes="x" * 390_000, sourceServerIds=[servers[number]["sourceServerID"]])
    body = (await client.servers(region="us-west-2", accountId=sandbox.names.a)).body
    assert client.calls["dynamodb", "Scan"] == 4
    assert sorted(each["protectionGroupId"] for each, _ in shown(body).values() if each) == [
        "pg-0",
        "pg-1",
        "pg-2",
        "pg-3",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "absent",
        {"sourceServerIds": "s-1"},
        {"serverSelectionTags": ["App"]},
        {"sourceServerIds": [1]},
        {"accountId": 1},
    ],
)
async def test_where_groups_are_not_known_nothing_is_offered_and_the_answer_says_why(
    client: QueryClient, sandbox: EngineSandbox, groups: Groups, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if broken == "absent":
        sandbox.set(PROTECTION_GROUPS_TABLE="no-such-table")
    else:
        groups.put("pg-1", **broken)
    answer = await client.servers(region="us-west-2", accountId=sandbox.names.a)
    assert {selectable for _, selectable in shown(answer.body).values()} == {False}
    assert (answer.body["assignmentKnown"], answer.body["complete"], answer.is_complete) == (False, False, False)
    [error] = answer.body["errors"]
    assert "no server can be selected" in error["message"]
    assert error["advice"]
    assert "protection groups are not known" in caplog.messages


async def test_groups_that_are_not_read_in_time_are_not_known(
    client: QueryClient, sandbox: EngineSandbox, groups: Groups, loop_clock: LoopClock
) -> None:
    sandbox.latency(loop_clock, dynamodb=90_000)
    async with client.open() as deps:
        table = TableReader(deps.aws_client.hub(), groups.name, deps.aws_client.hub_region)
        assignments = await read_assignments(table, "us-west-2", "", until=anyio.current_time() + 60)
    [problem] = assignments.problems
    assert f"the table {groups.name} did not answer in time" in problem.message


async def test_a_row_of_another_region_or_of_the_edited_group_may_be_unusable(
    client: QueryClient, sandbox: EngineSandbox, groups: Groups
) -> None:
    groups.put("pg-1", sourceServerIds="s-1", region="eu-west-1")
    groups.put("pg-2", sourceServerIds="s-1")
    answer = await client.servers(region="us-west-2", accountId=sandbox.names.a, currentProtectionGroupId="pg-2")
    assert (answer.body["assignmentKnown"], answer.body["complete"]) == (True, True)


async def test_without_the_table_assignment_is_left_out(client: QueryClient, sandbox: EngineSandbox) -> None:
    answer = await client.servers(region="us-west-2", accountId=sandbox.names.a)
    assert "assignmentKnown" not in answer.body
    assert set(shown(answer.body).values()) == {(None, True)}
