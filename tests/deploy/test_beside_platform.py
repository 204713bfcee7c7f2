"""Our stacks beside the platform's in one account: no export and no name twice, and schedules that are moved over."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.deploy.deployment import Deployment
from tests.deploy.platform_stacks import EVENT_STACK, NAMES, TABLE_STACK
from tests.deploy.resolving import exports, physical_names, resolved, stacks_of
from tests.deploy.templates import Template, names, template
from tests.support.sandbox import EngineSandbox, Names, new_account_id

PROJECT: Final = "hrp-drs-tech-adapter"
PLATFORM: Final = {"ProjectName": PROJECT, "Environment": "dev"}
SWITCHES: Final = ("EnableTagSync", "EnableStagingAccountSync", "EnableInventorySync")
# The parameters of docs/operations.md.
BESIDE: Final = {
    **PLATFORM,
    "NamePart": "drs-sync-",
    "CreateTables": "false",
    "CreateApi": "false",
    **dict.fromkeys(SWITCHES, "false"),
}
CODE: Final = {"CodeBucket": "code", "CodeKey": "1.zip"}


def collisions(parameters: Mapping[str, str], event_rules: Template | None = None) -> set[str]:
    """Return exports and names that the platform has, too; `event_rules` replaces our rules.yaml."""
    stacks = stacks_of({**CODE, **parameters})
    if event_rules is not None:
        stacks["EventRules"] = resolved(
            event_rules, stacks["Main"]["Resources"]["EventRules"]["Properties"]["Parameters"]
        )
    functions = {"DataManagementHandlerFunctionArn": "d", "ApiHandlerFunctionArn": "q"}
    events, tables = resolved(EVENT_STACK, {**PLATFORM, **functions}), resolved(TABLE_STACK, PLATFORM)
    others = {(kind, name.replace("${ProjectName}", PROJECT).replace("${Environment}", "dev")) for kind, name in NAMES}
    theirs = exports(events) | exports(tables) | {" ".join(each) for each in (*others, *physical_names(events))}
    ours = {found for stack in stacks.values() for found in (*exports(stack), *map(" ".join, physical_names(stack)))}
    return ours & theirs


def test_nothing_of_ours_has_a_name_of_the_platform() -> None:
    assert collisions(BESIDE) == set()


def test_with_schedules_only_the_names_of_their_rules_are_the_platform_s() -> None:
    """They are the same on purpose: operators and PUT /config/tag-sync know the rules by name."""
    found = collisions({**BESIDE, **dict.fromkeys(SWITCHES, "true")})
    bases = ("tag-sync-schedule", "staging-account-sync", "inventory-sync")
    assert found == {f"AWS::Events::Rule {PROJECT}-{base}-dev" for base in bases}


def test_an_installation_of_its_own_has_the_names_that_the_platform_s_readers_know() -> None:
    found = collisions({**PLATFORM, "CognitoUserPoolArn": "pool"})
    assert f"{PROJECT}-inventory-sync-rule-dev" in found
    assert f"{PROJECT}-source-server-inventory-table-arn-dev" in found


@pytest.mark.parametrize("output", template("rules.yaml")["Outputs"])
def test_an_export_that_collides_is_noticed(output: str) -> None:
    rules = template("rules.yaml")
    name = rules["Outputs"][output]["Export"]["Name"]
    name["Fn::Sub"] = name["Fn::Sub"].replace("${NamePart}", "")
    assert len(collisions({**BESIDE, **dict.fromkeys(SWITCHES, "true")}, rules)) == 4


@pytest.mark.parametrize("name", [name for name in names() if name not in {"main.yaml", "cross-account-role.yaml"}])
def test_every_name_of_a_template_with_name_part_has_it(name: str) -> None:
    """Tables and rules are shared by contract; everything else can stand beside another installation."""
    body = template(name)
    if "NamePart" not in body["Parameters"]:
        assert name == "tables.yaml"
        return
    plain, parted = (set(physical_names(resolved(body, {"NamePart": each}))) for each in ("", "drs-sync-"))
    shared = {kind for kind, _ in plain & parted}
    assert shared <= ({"AWS::Events::Rule"} if name == "rules.yaml" else set())


class Account:
    """A hub account with the platform's stacks."""

    def __init__(self, sandbox: EngineSandbox) -> None:
        self.deployment = Deployment(boto3.client("cloudformation"))
        self.bucket = f"code-{sandbox.names.hub}"
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        s3.put_object(Bucket=self.bucket, Key="1.zip", Body=b"PK\x05\x06" + bytes(18))
        self.deployment.put_stack("PlatformTables", TABLE_STACK, PLATFORM)
        self.put_platform_events("true")

    def put_platform_events(self, enabled: str) -> None:
        functions = {"DataManagementHandlerFunctionArn": "arn:aws:lambda:us-east-1:999900001111:function:d"}
        functions["ApiHandlerFunctionArn"] = "arn:aws:lambda:us-east-1:999900001111:function:q"
        switches = dict.fromkeys(SWITCHES, enabled)
        self.deployment.put_stack("PlatformEvents", EVENT_STACK, {**PLATFORM, **functions, **switches})

    def put_ours(self, enabled: str, replacements: Mapping[str, Template] | None = None) -> None:
        parameters = {**BESIDE, **dict.fromkeys(SWITCHES, enabled), "CodeBucket": self.bucket, "CodeKey": "1.zip"}
        self.deployment.create_stacks(template("main.yaml"), parameters, replacements)

    def targets(self) -> dict[str, str]:
        """Return the function that each rule of this area invokes."""
        events = boto3.client("events")
        rules = (each["Name"] for each in events.list_rules(NamePrefix=PROJECT)["Rules"])
        return {
            name.removeprefix(f"{PROJECT}-"): target["Arn"].rpartition(":")[2]
            for name in rules
            for target in events.list_targets_by_rule(Rule=name)["Targets"]
        }


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    account_names = Names(*(new_account_id() for _ in range(4)))
    members: dict[str, Any] = {
        "hub": {"account_id": account_names.hub, "registered": False, "tag_sync_rule": False},
        "tables": {"environment": account_names.hub[:6]},
        "accounts": [],
    }
    with EngineSandbox(members, account_names, monkeypatch) as sandbox:
        yield Account(sandbox)


def test_both_event_stacks_stand_side_by_side_and_the_schedules_are_moved_over(account: Account) -> None:
    theirs, ours = {"d", "q"}, f"{PROJECT}-drs-sync-data-management-handler-dev"
    account.put_ours("false")
    assert set(account.targets().values()) == theirs
    account.put_platform_events("false")
    assert account.targets() == {}
    account.put_ours("true")
    bases = ("tag-sync-schedule-dev", "staging-account-sync-dev", "inventory-sync-dev")
    assert account.targets() == dict.fromkeys(bases, ours)
    exported = {each["Name"] for each in boto3.client("cloudformation").list_exports()["Exports"]}
    assert {f"{PROJECT}-eventbridge-role-dev", f"{PROJECT}-drs-sync-eventbridge-role-dev"} <= exported
    account.put_ours("false")
    assert account.targets() == {}  # as before the platform's were switched off: either of the two, or none


def test_cloudformation_refuses_an_export_that_the_platform_has(account: Account) -> None:
    rules = copy.deepcopy(template("rules.yaml"))
    name = rules["Outputs"]["EventBridgeInvokeRoleArn"]["Export"]["Name"]
    name["Fn::Sub"] = name["Fn::Sub"].replace("${NamePart}", "")
    with pytest.raises(ClientError, match="Export names must be unique"):
        account.put_ours("false", {"rules.yaml": rules})
