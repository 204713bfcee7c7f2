"""Runbook as text, Markdown or JSON members, without control characters that a terminal would obey. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from service.queries.failback.decision import Way
from service.queries.failback.facts import DrsRecord, Facts
from service.queries.failback.runbook import Runbook
from service.queries.failback.steps import Progress, Step
from service.text import printable
from service.topology.origin import FILLED_LATE
from service.topology.original import TEMPLATE_ID

__all__ = ["as_json", "as_markdown", "as_text"]

_MARKS: Final = {Progress.DONE: "[x]", Progress.NEXT: "[>]", Progress.LATER: "[ ]"}
_CONFIGURATION: Final = {
    "stagingAreaSubnetId": "staging subnet",
    "replicationServersSecurityGroupsIDs": "security groups",
    "ebsEncryption": "encryption",
    "ebsEncryptionKeyArn": "encryption key",
    "dataPlaneRouting": "routing",
    "replicationServerInstanceType": "replication server",
}
_TITLES: Final[Mapping[Way, str]] = {
    Way.REVERSE: "reverse the replication of the recovered machine; no agent has to be installed",
    Way.REINSTALL: "reinstall the agent as a recovery instance, then reverse the replication",
    Way.FRESH: "protect the recovered machine as a new server, which replicates to the original region",
    Way.CLIENT: "boot the original machine from the Failback Client",
    Way.RECOVER: "launch a new recovery instance, because the recovered machine is gone",
    Way.NONE: "nothing to do",
    Way.UNKNOWN: "none yet, because it is not known where the server came from",
}


def as_text(facts: Facts, runbook: Runbook) -> str:
    """Render the runbook for a terminal or a printer."""
    return "".join(f"{line}\n" for line in _text_lines(facts, runbook))


def _text_lines(facts: Facts, runbook: Runbook) -> Iterator[str]:
    yield printable(f"FAILBACK of {facts.host or facts.lineage}")
    yield ""
    yield "Where it came from"
    for label, value in _origin(facts):
        yield f"  {label + ':':<26}{printable(value)}"
    yield ""
    yield "Where it is now"
    for label, value in _present(facts):
        yield f"  {label + ':':<26}{printable(value)}"
    for note in facts.notes:
        yield printable(f"  NOTE: {note}")
    yield ""
    yield f"Method: {_TITLES[runbook.way]}"
    for reason in runbook.reasons:
        yield printable(f"  {reason}")
    yield from _instruction_lines(runbook)


def _instruction_lines(runbook: Runbook) -> Iterator[str]:
    if runbook.preconditions:
        yield ""
        yield "Before you begin"
        for condition in runbook.preconditions:
            yield printable(f"  [ ] {condition}")
    if runbook.steps:
        yield ""
        yield "Steps ([x] done, [>] next). Replace drs-<account> by your AWS profile for that account."
    for number, step in enumerate(runbook.steps, 1):
        yield printable(f"  {_MARKS[step.progress]} {number}. {step.title}")
        yield from _step_lines(step)
    if runbook.otherwise:
        yield ""
        for line in runbook.otherwise:
            yield printable(f"  {line}")


def _step_lines(step: Step) -> Iterator[str]:
    if step.progress is Progress.DONE:
        return  # so that nobody runs it a second time
    if step.warning:
        yield printable(f"       WARNING: {step.warning}")
    for command in step.commands:
        yield printable(f"       {command}")
    if step.note:
        yield printable(f"       -> {step.note}")


def as_markdown(facts: Facts, runbook: Runbook) -> str:
    """Render the runbook for a wiki or a ticket."""
    lines = [f"# Failback of {_md(facts.host or facts.lineage)}", ""]
    for title, rows in (("Where it came from", _origin(facts)), ("Where it is now", _present(facts))):
        lines += [f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| {label} | {_md(value)} |" for label, value in rows]
        lines.append("")
    lines += [f"> NOTE: {_md(note)}\n" for note in facts.notes]
    lines += [f"## Method: {_TITLES[runbook.way]}", "", *(_md(reason) for reason in runbook.reasons), ""]
    if runbook.preconditions:
        lines += ["## Before you begin", "", *(f"- [ ] {_md(each)}" for each in runbook.preconditions), ""]
    if runbook.steps:
        lines += ["## Steps", "", "Replace `drs-<account>` by your AWS profile for that account.", ""]
    for number, step in enumerate(runbook.steps, 1):
        lines.append(f"{number}. **{_md(step.title)}** ({step.progress})")
        if step.progress is Progress.DONE:
            continue
        lines += [f"   **WARNING: {_md(step.warning)}**"] if step.warning else []
        if step.commands:
            lines += ["   ```", *(f"   {printable(command)}" for command in step.commands), "   ```"]
        lines += [f"   {_md(step.note)}"] if step.note else []
    if runbook.otherwise:
        lines += ["", _md(runbook.otherwise[0]), "", "```", *map(printable, runbook.otherwise[1:]), "```"]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_json(facts: Facts, runbook: Runbook) -> dict[str, Any]:
    """Return the JSON members of an answer; those of the original topology stand at the top level too."""
    return {
        **facts.original,
        "lineage": facts.lineage,
        "topologyCaptured": facts.captured,
        "facts": facts.model_dump(mode="json", by_alias=True),
        "way": str(runbook.way),
        "reasons": list(runbook.reasons),
        "preconditions": list(runbook.preconditions),
        "steps": [
            {
                "title": step.title,
                "progress": str(step.progress),
                "commands": list(step.commands),
                "warning": step.warning or None,
                "note": step.note or None,
            }
            for step in runbook.steps
        ],
        "otherwise": list(runbook.otherwise),
    }


def _origin(facts: Facts) -> list[tuple[str, str]]:
    unknown = "not known, never recorded"
    no_source = "none: on premises" if facts.is_on_premises else unknown
    template = facts.text(TEMPLATE_ID) or "not known: no template fits, or several do"
    recorded_at = facts.text("topologyLastUpdated") or "never"
    rows = [
        ("source region", facts.text("originalSourceRegion") or no_source),
        ("source account", facts.text("originalSourceAccountId") or no_source),
        ("availability zone", facts.text("originalAvailabilityZone") or no_source),
        ("instance", facts.text("originalInstanceId") or no_source),
        ("replicated by account", facts.text("originalAccountId") or unknown),
        ("replicated to region", facts.text("originalReplicationRegion") or unknown),
        ("replication template", template),
    ]
    configuration = facts.original.get("originalReplicationConfiguration")
    if isinstance(configuration, Mapping):
        settings = [(label, configuration.get(name)) for name, label in _CONFIGURATION.items()]
        rows += [
            (label, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
            for label, value in settings
            if value not in (None, "", [])
        ]
    else:
        rows.append(("replication settings", "not known"))
    template_there = facts.original.get("sourceSideTemplate")
    if isinstance(template_there, Mapping):
        parts = (template_there.get("replicationConfigurationTemplateID"), template_there.get("stagingAreaSubnetId"))
        rows.append(("template of source side", " with subnet ".join(str(each) for each in parts if each)))
    is_late = facts.text("captureMethod") == "late" or facts.original.get(FILLED_LATE) is True
    late = "; captured AFTER a launch, so verify the values" if is_late else ""
    legacy = "" if facts.captured else "; read from an inventory item of an earlier version"
    return [*rows, ("recorded", f"{recorded_at}{late}{legacy}")]


def _present(facts: Facts) -> list[tuple[str, str]]:
    rows = [("lineage", facts.lineage)]
    rows += _record("source server", facts.forward)
    if facts.forward and facts.forward.instance_id:
        rows.append(("replicates from", facts.forward.instance_id))
    if facts.forward and facts.forward.recovery_instance:
        instance = facts.recovered
        state = f" (EC2 {instance.ec2_state}, agent {instance.agent_state})" if instance else " (state not known)"
        rows.append(("recovered machine", f"{facts.forward.recovery_instance}{state}"))
    rows += _record("reversed server", facts.reversed) if facts.reversed else []
    if facts.reversed and facts.reversed.recovery_instance:
        rows.append(("launched back as", facts.reversed.recovery_instance))
    return rows


def _record(label: str, record: DrsRecord | None) -> list[tuple[str, str]]:
    if record is None:
        return [(label, "no longer in DRS")]
    seen = "now" if record.live else f"as of {record.seen_at or 'an unknown time'}"
    scope = f"{record.account_id}/{record.region}"
    return [(label, f"{record.server_id} in {scope}: {record.state or 'state unknown'}, {seen}")]


def _md(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", printable(text))
