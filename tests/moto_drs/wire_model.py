"""Holds raw answers of a server against the service model of botocore, strictly: nothing unknown, nothing null."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Where the model contradicts the real service: volume ids are longer than their own maximum, and two durations are
# typed as datetimes.
LOOSE_SHAPES = {"EbsVolumeID"}
LOOSE_MEMBERS = {
    ("RecoveryInstanceDataReplicationInfo", "lagDuration"),
    ("RecoveryInstanceFailback", "elapsedReplicationDuration"),
}
# moto adds these to the members of every error; the service's framework refuses bad input of any operation.
ADDED_TO_ERRORS = {"__type", "Message"}
ALWAYS_POSSIBLE = {"ValidationException"}
PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


class WireError(AssertionError):
    """An answer that the service model does not allow."""


def check_answer(http_response: Any, model: Any) -> None:
    """Check status, headers and body of one answer to one operation."""
    text = http_response.content.decode()
    body = json.loads(text) if text else {}
    if http_response.status_code < 300:
        faults = list(_answer_faults(http_response.status_code, body, model))
    else:
        faults = list(_error_faults(http_response, body, model))
    if faults:
        raise WireError(f"{model.name}: {'; '.join(faults)}")


def _answer_faults(status: int, body: Any, model: Any) -> Iterator[str]:
    if status != model.http["responseCode"]:
        yield f"status {status}, modelled is {model.http['responseCode']}"
    if model.output_shape is None:
        if body:
            yield f"a body where none is modelled: {body}"
        return
    yield from shape_faults(body, model.output_shape, "")


def _error_faults(http_response: Any, body: Any, model: Any) -> Iterator[str]:
    code = http_response.headers.get("x-amzn-ErrorType")
    if not code:
        yield "no x-amzn-ErrorType"
        return
    modelled = {shape.name: shape for shape in model.error_shapes}
    if code not in modelled and code not in ALWAYS_POSSIBLE:
        yield f"{code} is not modelled for the operation"
        return
    shape = modelled.get(code) or model.service_model.shape_for(code)
    if http_response.status_code != shape.metadata["error"]["httpStatusCode"]:
        yield f"{code} with status {http_response.status_code}"
    if not body.get("message"):
        yield "no message"
    in_headers = {name for name, member in shape.members.items() if member.serialization.get("location") == "header"}
    if in_headers & body.keys():
        yield f"{in_headers} in the body"
    yield from shape_faults({name: each for name, each in body.items() if name not in ADDED_TO_ERRORS}, shape, code)


def shape_faults(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Name everything about a value that its shape does not allow."""
    expected = PYTHON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        yield f"{path} is {type(value).__name__}, not {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _structure_faults(value, shape, path)
    elif shape.type_name == "list":
        yield from _bound_faults(len(value), shape, path)
        for number, each in enumerate(value):
            yield from shape_faults(each, shape.member, f"{path}[{number}]")
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from shape_faults(key, shape.key, f"{path} key {key}")
            yield from shape_faults(each, shape.value, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from _string_faults(value, shape, path)
    elif shape.type_name != "boolean":
        yield from _bound_faults(value, shape, path)


def _structure_faults(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[str]:
    for name in set(shape.required_members) - value.keys():
        if shape.members[name].serialization.get("location") is None:
            yield f"{path}.{name} is missing"
    for name, each in value.items():
        if name not in shape.members:
            yield f"{path}.{name} is unknown"
        elif (shape.name, name) not in LOOSE_MEMBERS:
            yield from shape_faults(each, shape.members[name], f"{path}.{name}")


def _string_faults(value: str, shape: Any, path: str) -> Iterator[str]:
    if shape.name not in LOOSE_SHAPES:
        yield from _bound_faults(len(value), shape, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path} {value!r} does not match {pattern}"
    if shape.enum and value not in shape.enum:
        yield f"{path} {value!r} is none of {shape.enum}"


def _bound_faults(size: float, shape: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{path} has {size}, allowed is {least} to {most}"
