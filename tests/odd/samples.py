"""Sample responses: what the simulated AWS answers, with every other member that botocore's model has filled in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

__all__ = ["completed", "filled", "model", "on_the_wire"]

_MAX_DEPTH: Final = 12
_TIME: Final = "2026-11-23T05:00:00Z"
_TEXTS: Final[Mapping[str, str]] = {
    "lagDuration": "PT5M",
    "elapsedReplicationDuration": "PT1H",
    "agentVersion": "1.0",
    # What AWS leaves empty where it does not apply.
    "errorMessage": "",
    "launchIntoEC2InstanceID": "",
    "recoveryInstanceId": "",
    "reversedDirectionSourceServerArn": "",
    "sourceOutpostArn": "",
    "stagingSourceServerArn": "",
    "vmWareUuid": "",
}
_OTHER_VALUES: Final = {"integer": 7, "long": 7, "boolean": True, "float": 0.5, "double": 0.5, "timestamp": 0.5}
_SESSION: Final = botocore.session.get_session()


@cache
def model(service: str, operation: str) -> OperationModel:
    """Return botocore's model of an operation."""
    return _SESSION.get_service_model(service).operation_model(operation)


def filled(shape: Shape, name: str = "", depth: int = 0) -> Any:
    """Return a value of a shape with every member."""
    if isinstance(shape, StructureShape):
        members = shape.members.items() if depth < _MAX_DEPTH else ()
        return {inner: filled(member, inner, depth + 1) for inner, member in members}
    if isinstance(shape, ListShape):
        return [filled(shape.member, name, depth + 1)]
    if isinstance(shape, MapShape):
        return {"key": filled(shape.value, name, depth + 1)}
    if shape.type_name in _OTHER_VALUES:
        return _OTHER_VALUES[shape.type_name]
    usual = _TIME if name.endswith("DateTime") else next(iter(getattr(shape, "enum", ())), "value")
    return _TEXTS.get(name, usual)


def completed(operation: OperationModel, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer with every member that its model has; only the token of a next page is not invented."""
    shape = operation.output_shape
    members = shape.members.items() if shape is not None else ()
    return {
        name: _completed(member, answer[name]) if name in answer else filled(member, name)
        for name, member in members
        if name in answer or name != "nextToken"
    }


def _completed(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        sample = _sample(shape)
        return {
            name: _completed(member, value[name]) if name in value else sample[name]
            for name, member in shape.members.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_completed(shape.member, each) for each in value]
    return value or filled(shape) if isinstance(shape, MapShape) else value


@cache
def _sample(shape: StructureShape) -> dict[str, Any]:
    sample: dict[str, Any] = filled(shape)
    return sample


def on_the_wire(shape: Shape | None, value: Any) -> Any:
    """Return a value as a response has it: members under the names of their elements, times as text."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        members = shape.members
        return {
            members[name].serialization.get("name", name): on_the_wire(members[name], inner)
            for name, inner in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [on_the_wire(shape.member, each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
