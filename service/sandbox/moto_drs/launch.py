"""Launch settings: launch configuration templates, and actions that run on instances after their launch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from moto.moto_api._internal import mock_random

from . import job_log, shapes
from .exceptions import ConflictException, ResourceNotFoundException, ServiceQuotaExceededException
from .failback import FailbackBackend
from .records import Job, RecoveryInstance, Resource, SourceServer, locked
from .recovery import set_last_launch
from .shapes import Record
from .validation import check_tags

# Inferred: AWS does not publish what the members that are left out become.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "launchDisposition": "STARTED",
    "targetInstanceTypeRightSizingMethod": "NONE",
    "copyPrivateIp": False,
    "copyTags": False,
    "licensing": {"osByol": False},
    "postLaunchEnabled": False,
    "launchIntoSourceInstance": False,
}
_OF_THE_TEMPLATE: Final = frozenset(
    {"launchConfigurationTemplateID", "arn", "tags", "exportBucketArn", "launchIntoSourceInstance"}
)
# Inferred: documents that AWS owns and that run as automations. All others are commands.
_AUTOMATIONS: Final = (
    *("AWS-Create", "AWS-Copy", "AWS-Delete", "AWS-Restart", "AWS-Start", "AWS-Stop", "AWS-Resize"),
    *("AWSDisasterRecovery-", "AWSSupport-", "AWSConfigRemediation-"),
)


class LaunchConfigurationTemplate(Resource):
    """Launch configuration template."""

    @property
    def template_id(self) -> str:
        return str(self.record["launchConfigurationTemplateID"])

    @property
    def server_settings(self) -> Record:
        """The launch configuration of a new server, without the members that only a template has."""
        settings: Record = shapes.copied(
            {name: value for name, value in self.record.items() if name not in _OF_THE_TEMPLATE}
        )
        return settings


class LaunchBackend(FailbackBackend):
    """Launch settings of one account and region."""

    max_launch_templates = 1
    max_launch_actions = 200

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.launch_templates: dict[str, LaunchConfigurationTemplate] = {}
        self.launch_actions: dict[str, dict[str, Record]] = {}  # by server or template, then by id of the action
        self.failing_actions: dict[str, str] = {}  # the reason by id of the action

    def resources(self) -> Iterator[Resource]:
        yield from super().resources()
        yield from self.launch_templates.values()

    # Templates

    def create_launch_configuration_template(self, members: Mapping[str, Any]) -> LaunchConfigurationTemplate:
        """Create the template; there can be one. Servers added later use it."""
        tags = dict(members.get("tags") or {})
        check_tags(tags)
        if len(self.launch_templates) >= self.max_launch_templates:
            raise ServiceQuotaExceededException(
                "There is a launch configuration template already.", "L-1F3FAE4D", "LaunchConfigurationTemplate"
            )
        template_id = shapes.new_id("lct-")
        own = {
            "launchConfigurationTemplateID": template_id,
            "arn": self.arn_of("launch-configuration-template", template_id),
            "tags": tags,
        }
        template = LaunchConfigurationTemplate({**shapes.merged(_DEFAULTS, members), **own})
        self.launch_templates[template_id] = template
        return template

    def describe_launch_configuration_templates(self, ids: Collection[str]) -> list[LaunchConfigurationTemplate]:
        """List templates; ids that do not exist are left out (inferred, although the operation models that error)."""
        return [each for each in self.launch_templates.values() if not ids or each.template_id in ids]

    def launch_template(self, template_id: str) -> LaunchConfigurationTemplate:
        found = self.launch_templates.get(template_id)
        if found is None:
            raise ResourceNotFoundException("LaunchConfigurationTemplate", template_id)
        return found

    def update_launch_configuration_template(
        self, template_id: str, changes: Mapping[str, Any]
    ) -> LaunchConfigurationTemplate:
        """Change a template. Existing servers keep their configuration."""
        template = self.launch_template(template_id)
        template.record = shapes.merged(template.record, changes)
        return template

    def delete_launch_configuration_template(self, template_id: str) -> None:
        """Delete a template with its actions. Servers keep theirs; no state of it is a conflict (inferred)."""
        del self.launch_templates[self.launch_template(template_id).template_id]
        self.launch_actions.pop(template_id, None)

    # New servers

    @locked
    def add_source_server(
        self,
        record: Mapping[str, Any],
        *,
        replication_configuration: Mapping[str, Any] | None = None,
        launch_configuration: Mapping[str, Any] | None = None,
    ) -> SourceServer:
        """Add a server with the settings of the template, and with copies of its actions (inferred)."""
        template = next(iter(self.launch_templates.values()), None)
        if template is not None:
            launch_configuration = shapes.merged(template.server_settings, launch_configuration or {})
        server = super().add_source_server(
            record, replication_configuration=replication_configuration, launch_configuration=launch_configuration
        )
        actions = self.launch_actions.get(template.template_id) if template else None
        if actions:
            self.launch_actions[server.source_server_id] = shapes.copied(actions)
        return server

    def discard_source_server(self, source_server_id: str) -> None:
        super().discard_source_server(source_server_id)
        self.launch_actions.pop(source_server_id, None)

    # Launch into the source instance

    def add_reversed(self, forward: SourceServer, instance: RecoveryInstance, cloud: Record) -> SourceServer:
        """Add the FAILBACK server, which is launched into the original instance where the template says so.

        DRS documents that this fails while the template copies tags or private IPs; the error code is inferred. It
        also needs a tag and a fitting platform on the instance, which are not checked.
        """
        original_id = self._original_instance(forward, instance)
        server = super().add_reversed(forward, instance, cloud)
        _launch_into(server, original_id)
        return server

    def _repoint_within_region(self, server: SourceServer, instance: RecoveryInstance) -> str:
        """Repoint a server within its region; it is launched into the instance that it replicated before."""
        original_id = self._original_instance(server, instance)
        arn = super()._repoint_within_region(server, instance)
        _launch_into(server, original_id)
        return arn

    def _original_instance(self, server: SourceServer, instance: RecoveryInstance) -> str | None:
        template = next(iter(self.launch_templates.values()), None)
        if template is None or not template.record["launchIntoSourceInstance"]:
            return None
        if template.record["copyTags"] or template.record["copyPrivateIp"]:
            raise ConflictException(
                "Settings that launch into the source instance must not copy tags or private IPs.",
                "RecoveryInstance",
                instance.instance_id,
            )
        return server.hints.get("awsInstanceID")

    # Actions

    def put_launch_action(self, resource_id: str, members: Mapping[str, Any]) -> Record:
        """Create or replace an action. A taken order, and one action too many, are conflicts (inferred)."""
        self._require_launch_resource(resource_id)
        actions = self.launch_actions.get(resource_id, {})
        action_id = str(members["actionId"])
        others = [each for each in actions.values() if each["actionId"] != action_id]
        for each in others:
            if each["order"] == members["order"]:
                raise ConflictException("Another action has this order.", "LaunchAction", str(each["actionId"]))
        if len(others) >= self.max_launch_actions:
            raise ConflictException("Too many launch actions.", "LaunchAction", action_id)
        action = {**shapes.copied(members), "type": _type_of(str(members["actionCode"]))}
        self.launch_actions[resource_id] = {**actions, action_id: action}
        return action

    def list_launch_actions(self, resource_id: str, action_ids: Collection[str]) -> list[Record]:
        """List the actions of a resource; ids that do not exist are left out (inferred)."""
        self._require_launch_resource(resource_id)
        actions = self.launch_actions.get(resource_id, {}).values()
        return [each for each in actions if not action_ids or each["actionId"] in action_ids]

    def delete_launch_action(self, resource_id: str, action_id: str) -> None:
        self._require_launch_resource(resource_id)
        if action_id not in self.launch_actions.get(resource_id, {}):
            raise ResourceNotFoundException("LaunchAction", action_id)
        del self.launch_actions[resource_id][action_id]

    def _require_launch_resource(self, resource_id: str) -> None:
        if resource_id.startswith("lct-"):
            self.launch_template(resource_id)
        else:
            self.server(resource_id)

    @locked
    def fail_launch_action(self, action_id: str, reason: str = "The document ended with an error.") -> None:
        """Let an action fail whenever it runs, on any server."""
        self.failing_actions[action_id] = reason

    # Runs of actions

    def _begin_launch(self, job: Job, snapshot_of: Mapping[str, str | None]) -> None:
        """Launch the instances; their actions are shown as in progress, as there is no state for waiting (inferred)."""
        super()._begin_launch(job, snapshot_of)
        for participant in job.participants:
            server = self.source_servers.get(participant["sourceServerID"])
            actions = self._actions_after_launch(server) if server else []
            if participant["launchStatus"] == "IN_PROGRESS" and actions:
                participant["launchActionsStatus"] = {"runs": [_run_of(action) for action in actions]}

    def _actions_after_launch(self, server: SourceServer) -> list[Record]:
        """Return the actions to run, in order; none on an instance that DRS leaves stopped (inferred)."""
        settings = server.launch_configuration
        if not settings["postLaunchEnabled"] or settings["launchDisposition"] == "STOPPED":
            return []
        actions = self.launch_actions.get(server.source_server_id, {}).values()
        return sorted((each for each in actions if each["active"]), key=lambda each: int(each["order"]))

    def _finish_launch(self, job: Job) -> None:
        """Finish the launch and then the actions. One that fails and is not optional fails the launch."""
        super()._finish_launch(job)
        for participant in job.participants:
            if "launchActionsStatus" not in participant:
                continue
            is_launched = participant["launchStatus"] == "LAUNCHED"
            failure = self._end_runs(participant["launchActionsStatus"], is_launched=is_launched)
            server = self.source_servers.get(participant["sourceServerID"])
            if is_launched and failure and server:
                participant["launchStatus"] = "FAILED"
                set_last_launch(server, "FAILED", "FAILED")
                job_log.log_failed_launch(job, participant, failure)

    def _end_runs(self, status: Record, *, is_launched: bool) -> str | None:
        """End the runs of one instance in their order; returns why the launch fails, if it does.

        After a failed action that is not optional, the later ones do not run (inferred).
        """
        if is_launched:
            status["ssmAgentDiscoveryDatetime"] = shapes.now()
        failure = None if is_launched else "The instance was not launched."
        stops = failure
        for run in status["runs"]:
            reason = stops or self.failing_actions.get(run["action"]["actionId"])
            if reason is None:
                run["status"] = "SUCCEEDED"
                continue
            run.update(status="FAILED", failureReason=reason)
            if stops is None and not run["action"]["optional"]:
                failure, stops = f"{run['action']['name']}: {reason}", "An earlier action failed."
        return failure


def _launch_into(server: SourceServer, instance_id: str | None) -> None:
    if instance_id:
        into = {"launchIntoInstanceProperties": {"launchIntoEC2InstanceID": instance_id}}
        server.launch_configuration = {**server.launch_configuration, **into}


def _type_of(action_code: str) -> str:
    """Return the type of an action, which DRS takes from the SSM document; from its name or ARN here (inferred)."""
    name = action_code.rpartition("/")[2]
    is_automation = ":automation-definition/" in action_code or name.startswith(_AUTOMATIONS)
    return "SSM_AUTOMATION" if is_automation else "SSM_COMMAND"


def _run_of(action: Record) -> Record:
    return {"action": shapes.copied(action), "runId": str(mock_random.uuid4()), "status": "IN_PROGRESS"}
