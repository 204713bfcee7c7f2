"""Recovery plans and their steps.

AWS does not document how many plans an account can have, whether their names are unique, or what a repeated client
token does with other parameters. These are inferred: 100 plans, unique names, a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from . import shapes
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from .networks import NetworksBackend
from .records import Resource
from .shapes import Record
from .validation import check_tags

R = TypeVar("R", bound=Resource)

SERVERS: Final = "serverStepConfiguration"
WAIT: Final = "waitStepConfiguration"


class RecoveryPlan(Resource):
    """Recovery plan with its steps, in the order in which they are executed."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.steps: list[RecoveryPlanStep] = []

    @property
    def arn(self) -> str:
        return str(self.record["recoveryPlanArn"])

    @property
    def is_executable(self) -> bool:
        return bool(self.record["status"] == "ACTIVE")

    @property
    def server_ids(self) -> set[str]:
        return {server_id for step in self.steps for server_id in step.server_ids}

    def to_summary(self) -> Record:
        return {name: value for name, value in self.record.items() if name not in {"description", "tags"}}

    def update(self) -> None:
        """Number the steps, and set the status: a plan without SERVER steps cannot be executed."""
        for order, step in enumerate(self.steps, start=1):
            step.record["stepOrder"] = order
        is_executable = any(SERVERS in step.configuration for step in self.steps)
        self.record.update(status="ACTIVE" if is_executable else "INVALID", updatedAt=shapes.now())


class RecoveryPlanStep(Resource):
    """Step of a recovery plan. It has no tags."""

    def __init__(self, plan: RecoveryPlan, record: Record) -> None:
        super().__init__(record)
        self.plan = plan

    @property
    def arn(self) -> str:
        return str(self.record["recoveryPlanStepArn"])

    @property
    def configuration(self) -> Record:
        configuration: Record = self.record["configuration"]
        return configuration

    @property
    def server_ids(self) -> set[str]:
        return {server_id_of(each) for each in self.configuration.get(SERVERS, {}).get("servers", ())}


class RecoveryPlansBackend(NetworksBackend):
    """Recovery plans of one account and region."""

    max_recovery_plans = 100
    max_steps_in_plan = 20

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.recovery_plans: dict[str, RecoveryPlan] = {}  # by ARN, as are the steps of all plans
        self.recovery_plan_steps: dict[str, RecoveryPlanStep] = {}
        self._made: dict[tuple[str, str], tuple[Record, Resource]] = {}  # by operation and client token

    def once(self, operation: str, params: Mapping[str, Any], make: Callable[[], R]) -> R:
        """Return what `make` makes, or what an earlier request with the same client token has made.

        That other parameters are then a conflict, and that a token is forgotten with its resource, is inferred.
        """
        token = str(params.get("clientToken") or "")
        if not token:
            return make()
        requested = shapes.copied(params)
        if (operation, token) not in self._made:
            self._made[operation, token] = requested, make()
        made_from, made = self._made[operation, token]
        if made_from != requested:
            raise ConflictException("The client token was used with other parameters.", type(made).__name__, made.arn)
        return cast("R", made)  # the same operation makes the same type

    def forget(self, *deleted: Resource) -> None:
        """Forget the client tokens of deleted resources."""
        self._made = {key: made for key, made in self._made.items() if made[1] not in deleted}

    # Plans

    def recovery_plan(self, arn: str) -> RecoveryPlan:
        found = self.recovery_plans.get(arn)
        if found is None:
            raise ResourceNotFoundException("RecoveryPlan", arn)
        return found

    def create_recovery_plan(self, params: Mapping[str, Any]) -> RecoveryPlan:
        """Create a plan without steps, which makes it invalid."""
        return self.once("CreateRecoveryPlan", params, lambda: self._create_recovery_plan(params))

    def _create_recovery_plan(self, params: Mapping[str, Any]) -> RecoveryPlan:
        tags = dict(params.get("tags") or {})
        check_tags(tags)
        self._require_free_name(params["name"])
        if len(self.recovery_plans) >= self.max_recovery_plans:
            raise ServiceQuotaExceededException("Too many recovery plans.", resource_type="RecoveryPlan")
        timestamp = shapes.now()
        plan = RecoveryPlan(
            {
                "recoveryPlanArn": self.arn_of("recovery-plan", shapes.new_id("plan-")),
                "name": params["name"],
                **({"description": params["description"]} if params.get("description") is not None else {}),
                "status": "INVALID",
                "createdAt": timestamp,
                "updatedAt": timestamp,
                "tags": tags,
            }
        )
        self.recovery_plans[plan.arn] = plan
        return plan

    def _require_free_name(self, name: str) -> None:
        for plan in self.recovery_plans.values():
            if plan.record["name"] == name:
                raise ConflictException("A recovery plan has this name already.", "RecoveryPlan", plan.arn)

    def update_recovery_plan(self, arn: str, params: Mapping[str, Any]) -> RecoveryPlan:
        """Change name, description or both."""
        plan = self.recovery_plan(arn)
        name = params.get("name")
        if name is not None and name != plan.record["name"]:
            self._require_free_name(name)
            plan.record["name"] = name
        if params.get("description") is not None:
            plan.record["description"] = params["description"]
        plan.update()
        return plan

    def delete_recovery_plan(self, arn: str) -> None:
        """Delete a plan with its steps. The records of its executions stay (inferred)."""
        plan = self.recovery_plan(arn)
        del self.recovery_plans[arn]
        for step in plan.steps:
            del self.recovery_plan_steps[step.arn]
        self.forget(plan, *plan.steps)

    # Steps

    def recovery_plan_step(self, arn: str) -> RecoveryPlanStep:
        found = self.recovery_plan_steps.get(arn)
        if found is None:
            raise ResourceNotFoundException("RecoveryPlanStep", arn)
        return found

    def create_recovery_plan_step(self, params: Mapping[str, Any]) -> RecoveryPlanStep:
        """Add a step, as the last one or at a position, from which the others move on by one (inferred)."""
        return self.once("CreateRecoveryPlanStep", params, lambda: self._create_recovery_plan_step(params))

    def _create_recovery_plan_step(self, params: Mapping[str, Any]) -> RecoveryPlanStep:
        plan = self.recovery_plan(params["recoveryPlanArn"])
        configuration = self._checked_configuration(params["configuration"])
        if len(plan.steps) >= self.max_steps_in_plan:
            raise ServiceQuotaExceededException("Too many steps in the plan.", resource_type="RecoveryPlanStep")
        last = len(plan.steps) + 1
        order = params.get("stepOrder") or last
        if order > last:
            raise ValidationException("A step cannot leave a gap before it.", ("stepOrder", f"must be at most {last}"))
        timestamp = shapes.now()
        step = RecoveryPlanStep(
            plan,
            {
                "recoveryPlanStepArn": f"{plan.arn}/step/{shapes.new_id('st-')}",  # all of it after the plan: inferred
                "stepOrder": order,
                "stepName": params["stepName"],
                "configuration": configuration,
                "createdAt": timestamp,
                "updatedAt": timestamp,
            },
        )
        self.recovery_plan_steps[step.arn] = step
        plan.steps.insert(order - 1, step)
        plan.update()
        return step

    def update_recovery_plan_step(self, arn: str, params: Mapping[str, Any]) -> RecoveryPlanStep:
        """Change name, configuration or both, for later executions: a running one has steps of its own (inferred)."""
        step = self.recovery_plan_step(arn)
        if params.get("configuration") is not None:
            configuration = self._checked_configuration(params["configuration"])
            if configuration.keys() != step.configuration.keys():
                raise ValidationException(
                    "The type of a step cannot be changed.", ("configuration", "is that of another type of step")
                )
            step.record["configuration"] = configuration
        if params.get("stepName") is not None:
            step.record["stepName"] = params["stepName"]
        step.record["updatedAt"] = shapes.now()
        step.plan.update()
        return step

    def delete_recovery_plan_step(self, arn: str) -> None:
        """Delete a step; those behind it move up by one (inferred)."""
        step = self.recovery_plan_step(arn)
        del self.recovery_plan_steps[arn]
        step.plan.steps.remove(step)
        step.plan.update()
        self.forget(step)

    def reorder_recovery_plan_steps(self, plan_arn: str, ordered_arns: Sequence[str]) -> RecoveryPlan:
        """Give the steps another order: the list must name each step of the plan once."""
        plan = self.recovery_plan(plan_arn)
        steps = {step.arn: step for step in plan.steps}
        if len(ordered_arns) != len(steps) or set(ordered_arns) != steps.keys():
            raise ValidationException(
                "The list must name every step of the plan once.",
                ("orderedStepArns", f"must be the {len(steps)} steps of the plan"),
            )
        plan.steps = [steps[each] for each in ordered_arns]
        plan.update()
        return plan

    def _checked_configuration(self, configuration: Mapping[str, Any]) -> Record:
        if (configuration.get(SERVERS) is None) == (configuration.get(WAIT) is None):
            raise ValidationException(
                f"Exactly one of {SERVERS} and {WAIT} must be set.", ("configuration", "must have one member")
            )
        if configuration.get(WAIT) is not None:
            return {WAIT: {"waitDurationMinutes": configuration[WAIT]["waitDurationMinutes"]}}
        name = f"configuration.{SERVERS}.servers"
        return {SERVERS: {"servers": self.checked_servers(configuration[SERVERS]["servers"], name)}}

    def checked_servers(self, servers: Sequence[Mapping[str, Any]], name: str) -> list[Record]:
        """Return the servers of a step with their impact levels.

        Inferred: they must exist, in this account and region, and a step names each once.
        """
        arns = [str(each["serverArn"]) for each in servers]
        for number, arn in enumerate(arns):
            parsed_arn = shapes.parse_server_arn(arn)
            if parsed_arn is None or arn != self.arn_of("source-server", parsed_arn.server_id):
                field = f"{name}[{number}].serverArn"
                raise ValidationException(
                    "A plan recovers source servers of its own account and region.", (field, "is of another one")
                )
            self.server(parsed_arn.server_id)
        if len(set(arns)) < len(arns):
            raise ValidationException("A step must name a source server once.", (name, "has duplicates"))
        return [
            {"serverArn": each["serverArn"], "impactLevel": each.get("impactLevel") or "CRITICAL"} for each in servers
        ]


def server_id_of(server: Mapping[str, Any]) -> str:
    """Return the id of a server of a step, which names it by ARN."""
    return str(server["serverArn"]).rpartition("/")[2]
