"""Recovery plans and their steps."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.exceptions import ServiceQuotaExceededException
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION, Client
from tests.moto_drs.plan_calls import NEW_STEP, PLAN, calls, make_plan, servers, wait

pytestmark = pytest.mark.usefixtures("real_time")


@pytest.fixture
def server(client: Any, backend: DRSBackend) -> str:
    assert client
    return backend.add_source_server({}).arn


def plan_of(client: Any, arn: str) -> dict[str, Any]:
    plan: dict[str, Any] = client.get_recovery_plan(recoveryPlanArn=arn)["recoveryPlan"]
    return plan


def steps_of(client: Any, arn: str) -> list[tuple[int, str]]:
    steps = client.list_recovery_plan_steps(recoveryPlanArn=arn)["recoveryPlanSteps"]
    return [(each["stepOrder"], each["stepName"]) for each in steps]


def test_a_plan_from_creation_to_deletion(client: Any, account: str) -> None:
    answer = client.create_recovery_plan(name="Retail", description="All shops", tags={"Team": "retail"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    plan = answer["recoveryPlan"]
    arn = plan["recoveryPlanArn"]
    assert arn.startswith(f"arn:aws:drs:{REGION}:{account}:recovery-plan/plan-")
    assert (plan["name"], plan["description"], plan["tags"]) == ("Retail", "All shops", {"Team": "retail"})
    assert plan["createdAt"] == plan["updatedAt"]
    (summary,) = client.list_recovery_plans()["recoveryPlans"]
    assert summary == {name: plan[name] for name in ("recoveryPlanArn", "name", "status", "createdAt", "updatedAt")}

    drs_clock.advance(60)
    changed = client.update_recovery_plan(recoveryPlanArn=arn, name="Shops", description="")["recoveryPlan"]
    assert (changed["name"], changed["description"], changed["createdAt"]) == ("Shops", "", plan["createdAt"])
    assert changed["updatedAt"] > plan["updatedAt"]
    assert plan_of(client, arn) == changed
    unchanged = client.update_recovery_plan(recoveryPlanArn=arn)["recoveryPlan"]
    assert (unchanged["name"], unchanged["description"]) == ("Shops", "")

    assert client.delete_recovery_plan(recoveryPlanArn=arn)["recoveryPlanArn"] == arn
    assert client.list_recovery_plans()["recoveryPlans"] == []
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_recovery_plan(recoveryPlanArn=arn)


def test_a_plan_is_executable_with_a_server_step_only(client: Any, server: str) -> None:
    arn, _ = make_plan(client)
    assert plan_of(client, arn)["status"] == "INVALID"
    for configuration, status in ((wait(5), "INVALID"), (servers(server), "ACTIVE")):
        step = client.create_recovery_plan_step(recoveryPlanArn=arn, stepName="Step", configuration=configuration)
        assert plan_of(client, arn)["status"] == status
    client.delete_recovery_plan_step(recoveryPlanStepArn=step["recoveryPlanStep"]["recoveryPlanStepArn"])
    assert plan_of(client, arn)["status"] == "INVALID"


def test_a_step_from_creation_to_deletion(client: Any, backend: DRSBackend, server: str) -> None:
    plan_arn, _ = make_plan(client)
    other = backend.add_source_server({}).arn
    answer = client.create_recovery_plan_step(
        recoveryPlanArn=plan_arn,
        stepName="Databases",
        configuration={"serverStepConfiguration": {"servers": [{"serverArn": server}]}},
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    step = answer["recoveryPlanStep"]
    arn = step["recoveryPlanStepArn"]
    assert arn.startswith(f"{plan_arn}/step/st-")
    assert (step["stepOrder"], step["configuration"]) == (1, servers(server))  # critical by default
    assert client.get_recovery_plan_step(recoveryPlanStepArn=arn)["recoveryPlanStep"] == step

    drs_clock.advance(60)
    changed = client.update_recovery_plan_step(
        recoveryPlanStepArn=arn, stepName="Caches", configuration=servers(optional=[other])
    )["recoveryPlanStep"]
    assert (changed["stepName"], changed["configuration"]) == ("Caches", servers(optional=[other]))
    assert changed["updatedAt"] > changed["createdAt"] == step["createdAt"]
    assert plan_of(client, plan_arn)["updatedAt"] >= changed["updatedAt"]
    with pytest.raises(client.exceptions.ValidationException, match="type of a step"):
        client.update_recovery_plan_step(recoveryPlanStepArn=arn, configuration=wait(5))
    assert client.get_recovery_plan_step(recoveryPlanStepArn=arn)["recoveryPlanStep"] == changed

    assert client.delete_recovery_plan_step(recoveryPlanStepArn=arn)["recoveryPlanStepArn"] == arn
    for call in (client.get_recovery_plan_step, client.update_recovery_plan_step, client.delete_recovery_plan_step):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            call(recoveryPlanStepArn=arn)


def test_the_steps_go_with_their_plan(client: Any) -> None:
    plan_arn, (step_arn,) = make_plan(client, wait(5))
    client.delete_recovery_plan(recoveryPlanArn=plan_arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_recovery_plan_step(recoveryPlanStepArn=step_arn)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, ["Step 1", "Step 2", "New"]),
        (3, ["Step 1", "Step 2", "New"]),
        (2, ["Step 1", "New", "Step 2"]),
        (1, ["New", "Step 1", "Step 2"]),
    ],
)
def test_a_step_is_inserted_at_its_order(client: Any, order: int | None, expected: list[str]) -> None:
    arn, _ = make_plan(client, wait(1), wait(2))
    position = {} if order is None else {"stepOrder": order}
    client.create_recovery_plan_step(recoveryPlanArn=arn, stepName="New", configuration=wait(3), **position)
    assert steps_of(client, arn) == list(enumerate(expected, start=1))


def test_a_step_leaves_no_gap(client: Any) -> None:
    arn, _ = make_plan(client, wait(1))
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.create_recovery_plan_step(recoveryPlanArn=arn, stepName="New", configuration=wait(3), stepOrder=3)
    assert caught.value.response["fieldList"] == [{"name": "stepOrder", "message": "must be at most 2"}]


def test_steps_are_reordered(client: Any) -> None:
    arn, (first, second, third) = make_plan(client, wait(1), wait(2), wait(3))
    answer = client.reorder_recovery_plan_steps(recoveryPlanArn=arn, orderedStepArns=[third, first, second])
    names = [(each["stepOrder"], each["stepName"]) for each in answer["recoveryPlanSteps"]]
    assert names == steps_of(client, arn) == [(1, "Step 3"), (2, "Step 1"), (3, "Step 2")]
    for wrong in ([third, first], [third, first, first], [third, first, second, second], [third, first, arn]):
        with pytest.raises(client.exceptions.ValidationException, match="every step of the plan once"):
            client.reorder_recovery_plan_steps(recoveryPlanArn=arn, orderedStepArns=wrong)
    assert steps_of(client, arn) == names


@given(st.data())
def test_the_order_of_steps_has_no_gaps_after_any_changes(data: st.DataObject) -> None:
    backend = DRSBackend(REGION, "111111111111")
    backend.recovery_plans[PLAN["recoveryPlanArn"]] = plan = backend.create_recovery_plan({"name": "Any"})
    expected: list[str] = []
    for _ in range(data.draw(st.integers(1, 20))):
        change = data.draw(st.sampled_from(["insert", "insert", "delete", "reorder"]))
        if change == "insert":
            order = data.draw(st.integers(1, len(expected) + 1))
            arn = backend.create_recovery_plan_step({**NEW_STEP, "stepOrder": order}).arn
            expected.insert(order - 1, arn)
        elif expected and change == "delete":
            backend.delete_recovery_plan_step(expected.pop(data.draw(st.integers(0, len(expected) - 1))))
        elif expected:
            expected = data.draw(st.permutations(expected))
            backend.reorder_recovery_plan_steps(PLAN["recoveryPlanArn"], expected)
    assert [(step.record["stepOrder"], step.arn) for step in plan.steps] == list(enumerate(expected, start=1))
    assert backend.recovery_plan_steps.keys() == set(expected)


@pytest.mark.parametrize("members", [0, 2])
def test_a_configuration_has_one_member(connect: Client, backend: DRSBackend, server: str, members: int) -> None:
    client = connect(backend.account_id, parameter_validation=False)
    arn, _ = make_plan(client)
    configuration = {**wait(5), **servers(server)} if members else {}
    with pytest.raises(client.exceptions.ValidationException, match="Exactly one of"):
        client.create_recovery_plan_step(recoveryPlanArn=arn, stepName="Step", configuration=configuration)


def test_the_servers_of_a_step_are_of_this_account_and_region(client: Any, server: str, account: str) -> None:
    arn, _ = make_plan(client)

    def create(*arns: str) -> None:
        client.create_recovery_plan_step(recoveryPlanArn=arn, stepName="Step", configuration=servers(*arns))

    for foreign in (server.replace(REGION, "eu-west-1"), server.replace(account, "111111111111")):
        with pytest.raises(client.exceptions.ValidationException, match="its own account and region") as caught:
            create(server, foreign)
        (field,) = caught.value.response["fieldList"]
        assert field["name"] == "configuration.serverStepConfiguration.servers[1].serverArn"
    with pytest.raises(client.exceptions.ValidationException, match="a source server once"):
        create(server, server)
    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        create(f"{server.rpartition('/')[0]}/s-00000000000000000")
    assert missing.value.response["resourceType"] == "SourceServer"
    assert steps_of(client, arn) == []


def test_names_of_plans_are_unique(client: Any) -> None:
    arn, _ = make_plan(client, name="Retail")
    other, _ = make_plan(client, name="Shops")
    for call in calls(
        lambda: client.create_recovery_plan(name="Retail"),
        lambda: client.update_recovery_plan(recoveryPlanArn=other, name="Retail"),
    ):
        with pytest.raises(client.exceptions.ConflictException, match="has this name") as caught:
            call()
        assert caught.value.response["resourceId"] == arn
    client.update_recovery_plan(recoveryPlanArn=arn, name="Retail", description="its own name is free")
    client.delete_recovery_plan(recoveryPlanArn=arn)
    client.create_recovery_plan(name="Retail")


def test_a_repeated_request_makes_nothing_new(client: Any, server: str) -> None:
    plan = {"name": "Retail", "clientToken": "token"}
    first = client.create_recovery_plan(**plan)["recoveryPlan"]
    arn = first["recoveryPlanArn"]
    assert client.create_recovery_plan(**plan)["recoveryPlan"] == first
    with pytest.raises(client.exceptions.ConflictException, match="token was used with other parameters"):
        client.create_recovery_plan(**plan, tags={"a": "b"})

    step = {"recoveryPlanArn": arn, "stepName": "Step", "configuration": servers(server), "clientToken": "token"}
    made = client.create_recovery_plan_step(**step)["recoveryPlanStep"]
    assert client.create_recovery_plan_step(**step)["recoveryPlanStep"] == made
    assert steps_of(client, arn) == [(1, "Step")]
    client.delete_recovery_plan_step(recoveryPlanStepArn=made["recoveryPlanStepArn"])
    again = client.create_recovery_plan_step(**step)["recoveryPlanStep"]
    assert again["recoveryPlanStepArn"] != made["recoveryPlanStepArn"]

    client.delete_recovery_plan(recoveryPlanArn=arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.create_recovery_plan_step(**step)
    assert client.create_recovery_plan(**plan)["recoveryPlan"]["recoveryPlanArn"] != arn


def test_a_refused_request_leaves_its_token_free(backend: DRSBackend) -> None:
    backend.max_recovery_plans = 0
    with pytest.raises(ServiceQuotaExceededException):
        backend.create_recovery_plan({"name": "Retail", "clientToken": "token"})
    backend.max_recovery_plans = 3
    backend.create_recovery_plan({"name": "Shops", "clientToken": "token"})


def test_an_empty_token_is_none(backend: DRSBackend) -> None:
    for name in ("Retail", "Shops"):
        backend.create_recovery_plan({"name": name, "clientToken": ""})
    assert len(backend.recovery_plans) == 2


def test_quotas(client: Any, backend: DRSBackend) -> None:
    arn, _ = make_plan(client, *[wait(1)] * 20)
    backend.max_recovery_plans = 1
    requests = calls(
        lambda: client.create_recovery_plan(name="Shops"),
        lambda: client.create_recovery_plan_step(recoveryPlanArn=arn, stepName="S", configuration=wait(1)),
    )
    for call, resource_type in zip(requests, ("RecoveryPlan", "RecoveryPlanStep"), strict=True):
        with pytest.raises(client.exceptions.ServiceQuotaExceededException) as caught:
            call()
        assert caught.value.response["resourceType"] == resource_type
        assert "quotaCode" not in caught.value.response  # AWS publishes none


def test_a_plan_has_tags_and_its_steps_have_none(client: Any, server: str) -> None:
    arn, (step,) = make_plan(client, servers(server))
    client.tag_resource(resourceArn=arn, tags={"Team": "retail"})
    assert plan_of(client, arn)["tags"] == client.list_tags_for_resource(resourceArn=arn)["tags"] == {"Team": "retail"}
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.list_tags_for_resource(resourceArn=step)
