"""Which protection group a server is assigned to, and what that means for selecting it. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import Problem, RegionStatus
from service.queries.protection_groups import NO_TABLE, Assignments, ProtectionGroup

HUB, A, B = "999900001111", "111122223333", "444455556666"


def server(server_id: str = "s-1", account_id: str = A, **more: Any) -> dict[str, Any]:
    view = {"sourceServerID": server_id, "accountId": account_id, "tags": {"App": "pay", "Tier": "web"}}
    return {**view, "assignedToProtectionGroup": None, "selectable": True, **more}


def group(**members: Any) -> ProtectionGroup:
    return ProtectionGroup(**{"group_id": "pg-1", "name": "Payments", "account_id": A, **members})


IN_PAYMENTS = {"protectionGroupId": "pg-1", "protectionGroupName": "Payments"}


@pytest.mark.parametrize(
    ("one", "is_assigned"),
    [
        (group(server_ids=frozenset({"s-1", "s-2"})), True),
        (group(server_ids=frozenset({"s-2"})), False),
        (group(server_ids=frozenset({"s-1"}), account_id=""), True),
        (group(server_ids=frozenset({"s-1"}), account_id=B), False),
        (group(tags={"App": "pay"}), True),
        (group(tags={"App": "pay", "Tier": "web"}), True),
        (group(tags={"App": "pay", "Tier": "db"}), False),
        (group(tags={"App": "Pay"}), False),
        (group(tags={"Zone": "1"}), False),
        (group(tags={}), False),
        (group(tags={"App": "pay"}, account_id=B), False),
        (group(tags={"App": "pay"}, account_id=""), False),  # of the hub, which this server is not in
    ],
)
def test_a_group_has_servers_by_id_or_by_all_of_its_tags(one: ProtectionGroup, is_assigned: bool) -> None:  # noqa: FBT001 - a table
    [shown] = Assignments((one,)).apply([server()], {HUB})
    assert shown["assignedToProtectionGroup"] == (IN_PAYMENTS if is_assigned else None)
    assert shown["selectable"] is not is_assigned


def test_a_group_without_an_account_selects_servers_of_the_hub_and_of_any_account_where_no_hub_is_known() -> None:
    assignments = Assignments((group(tags={"App": "pay"}, account_id=""),))
    servers = [server("s-1", HUB), server("s-2", A)]
    assert [each["selectable"] for each in assignments.apply(servers, {HUB})] == [False, True]
    assert [each["selectable"] for each in assignments.apply(servers, ())] == [False, False]


def test_a_server_still_replicating_for_the_first_time_can_be_selected_and_one_that_cannot_replicate_not() -> None:
    first, failed = server(selectable=False), server(selectable=False, extensionError="EXTENSION_ERROR")
    assert [each["selectable"] for each in Assignments().apply([first, failed], ())] == [True, False]


def test_of_several_groups_the_one_that_names_the_server_is_shown() -> None:
    by_tags = group(group_id="pg-0", name="All", tags={"App": "pay"})
    named = group(server_ids=frozenset({"s-1"}))
    for groups in ((by_tags, named), (named, by_tags)):
        assert Assignments(groups).apply([server()], ())[0]["assignedToProtectionGroup"] == IN_PAYMENTS


GROUPS = st.lists(
    st.builds(
        ProtectionGroup,
        group_id=st.sampled_from(["pg-1", "pg-2"]),
        name=st.sampled_from(["x", "y"]),
        account_id=st.sampled_from(["", A, B]),
        server_ids=st.frozensets(st.sampled_from(["s-1", "s-2"])),
        tags=st.dictionaries(st.sampled_from(["App", "Tier"]), st.sampled_from(["pay", "web"]), max_size=2),
    ),
    max_size=4,
)
SERVERS = st.lists(st.builds(server, st.sampled_from(["s-1", "s-2", "s-3"]), st.sampled_from([A, B, HUB])), max_size=4)


@given(GROUPS, SERVERS, st.booleans())
def test_no_server_of_a_group_is_offered_and_none_at_all_where_groups_are_unknown(
    groups: list[ProtectionGroup],
    servers: list[dict[str, Any]],
    is_known: bool,  # noqa: FBT001 - generated
) -> None:
    problems = () if is_known else (Problem("X", "x", RegionStatus.ERROR),)
    shown = Assignments(tuple(groups), problems).apply(servers, {HUB})
    assert [each["sourceServerID"] for each in shown] == [each["sourceServerID"] for each in servers]
    for each in shown:
        assert each["selectable"] is (is_known and each["assignedToProtectionGroup"] is None)
        if each["assignedToProtectionGroup"] is None:
            assert not any(
                each["sourceServerID"] in one.server_ids and one.account_id == each["accountId"] for one in groups
            )


def test_without_a_table_servers_stay_as_they_are() -> None:
    servers = [server(selectable=False), server("s-2")]
    assert NO_TABLE.apply(servers, ()) == servers
