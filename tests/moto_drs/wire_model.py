"""Strict validation of raw server responses against botocore's service model: no unknown members, no nulls."""

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
# moto adds these members to every error. Any operation can reject invalid input, whether or not it models that.
MOTO_ERROR_MEMBERS = {"__type", "Message"}
UNMODELLED_ERRORS = {"ValidationException"}
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
PYTHON_TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "string": (str,),
    "timestamp": (str,),
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
    """A response that the service model does not allow."""


def check_response(http_response: Any, model: Any) -> None:
    """Validate status, headers and body of the response to one operation."""
    text = http_response.content.decode()
    body = json.loads(text) if text else {}
    if http_response.status_code < 300:
        errors = list(_response_errors(http_response.status_code, body, model))
    else:
        errors = list(_error_response_errors(http_response, body, model))
    if errors:
        raise WireError(f"{model.name}: {'; '.join(errors)}")


def _response_errors(status: int, body: Any, model: Any) -> Iterator[str]:
    if status != model.http["responseCode"]:
        yield f"status {status}, modelled is {model.http['responseCode']}"
    if model.output_shape is None:
        if body:
            yield f"a body where none is modelled: {body}"
        return
    yield from shape_errors(body, model.output_shape, "")


def _error_response_errors(http_response: Any, body: Any, model: Any) -> Iterator[str]:
    code = http_response.headers.get("x-amzn-ErrorType")
    if not code:
        yield "no x-amzn-ErrorType"
        return
    modelled = {shape.name: shape for shape in model.error_shapes}
    if code not in modelled and code not in UNMODELLED_ERRORS:
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
    yield from shape_errors({name: each for name, each in body.items() if name not in MOTO_ERROR_MEMBERS}, shape, code)


def shape_errors(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield a message for each violation of a shape in a value."""
    expected = PYTHON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        yield f"{path} is {type(value).__name__}, not {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _structure_errors(value, shape, path)
    elif shape.type_name == "list":
        yield from _size_errors(len(value), shape, path)
        for number, each in enumerate(value):
            yield from shape_errors(each, shape.member, f"{path}[{number}]")
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from shape_errors(key, shape.key, f"{path} key {key}")
            yield from shape_errors(each, shape.value, f"{path}.{key}")
    elif shape.type_name in {"string", "timestamp"}:
        yield from _string_errors(value, shape, path)
    elif shape.type_name != "boolean":
        yield from _size_errors(value, shape, path)


def _structure_errors(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[str]:
    for name in set(shape.required_members) - value.keys():
        if shape.members[name].serialization.get("location") is None:
            yield f"{path}.{name} is missing"
    for name, each in value.items():
        if name not in shape.members:
            yield f"{path}.{name} is unknown"
        elif (shape.name, name) not in LOOSE_MEMBERS:
            yield from shape_errors(each, shape.members[name], f"{path}.{name}")


def _string_errors(value: str, shape: Any, path: str) -> Iterator[str]:
    if shape.type_name == "timestamp":
        if not ISO_8601.fullmatch(value):
            yield f"{path} {value!r} is no timestamp"
        return
    if shape.name not in LOOSE_SHAPES:
        yield from _size_errors(len(value), shape, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path} {value!r} does not match {pattern}"
    if shape.enum and value not in shape.enum:
        yield f"{path} {value!r} is none of {shape.enum}"


def _size_errors(size: float, shape: Any, path: str) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if (minimum is not None and size < minimum) or (maximum is not None and size > maximum):
        yield f"{path} has {size}, allowed is {minimum} to {maximum}"
