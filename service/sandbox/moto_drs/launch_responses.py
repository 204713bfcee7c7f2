"""Operations of launch configuration templates, launch actions and job logs: responses."""

from __future__ import annotations

from moto.core.responses import ActionResult, EmptyResult

from .launch import LaunchConfigurationTemplate
from .request import DRSRequest, RecordResult, by_age


class LaunchResponses(DRSRequest):
    """Part of the handler: launch settings and job logs."""

    def create_launch_configuration_template(self) -> ActionResult:
        return _template(self.backend.create_launch_configuration_template(self.params))

    def describe_launch_configuration_templates(self) -> ActionResult:
        ids = frozenset(self.params.get("launchConfigurationTemplateIDs") or ())
        return self.page(self.backend.describe_launch_configuration_templates(ids), by_age)

    def update_launch_configuration_template(self) -> ActionResult:
        changes = self.changes("launchConfigurationTemplateID")
        template_id = self.id_of("launchConfigurationTemplateID")
        return _template(self.backend.update_launch_configuration_template(template_id, changes))

    def delete_launch_configuration_template(self) -> ActionResult:
        self.backend.delete_launch_configuration_template(self.id_of("launchConfigurationTemplateID"))
        return EmptyResult()

    def put_launch_action(self) -> ActionResult:
        resource_id = self.id_of("resourceId")
        action = self.backend.put_launch_action(resource_id, self.changes("resourceId"))
        return RecordResult({"resourceId": resource_id, **action})

    def list_launch_actions(self) -> ActionResult:
        ids = frozenset(self.filters.get("actionIds") or ())
        actions = self.backend.list_launch_actions(self.id_of("resourceId"), ids)
        return self.page(actions, lambda each: each["order"], serialize=dict)

    def delete_launch_action(self) -> ActionResult:
        self.backend.delete_launch_action(self.id_of("resourceId"), self.id_of("actionId"))
        return EmptyResult()

    def describe_job_log_items(self) -> ActionResult:
        items = list(enumerate(self.advanced_backend().job_log_of(self.id_of("jobID"))))
        return self.page(items, lambda each: each[0], serialize=lambda each: each[1])


def _template(template: LaunchConfigurationTemplate) -> ActionResult:
    return RecordResult({"launchConfigurationTemplate": template.to_dict()})
