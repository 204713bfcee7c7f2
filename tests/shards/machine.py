"""Interpreter of the state machine's definition: each Lambda task calls the real handler.

Supports the parts of Amazon States Language (JSONPath form) that the definition uses, and fails on anything else.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.templates import FOLDER

__all__ = ["DEFINITION", "MAX_BYTES", "Failed", "Machine", "Timeout", "definition"]

DEFINITION = FOLDER.parent / "statemachine" / "sync.asl.json"
MAX_BYTES = 262_144
"""Maximum of a state's input or output (Step Functions quotas)."""

Handler = Callable[[Any], Any]


class Failed(Exception):  # noqa: N818 - the end of an execution, not an error of ours
    """The execution reached a Fail state."""


class Timeout(Exception):  # noqa: N818 - what Lambda calls it
    """A function ended without a response; the argument is the error name that a Catch sees."""


def definition() -> dict[str, Any]:
    """Return the definition with the template's substitutions."""
    text = DEFINITION.read_text().replace("${Partition}", "aws")
    found: dict[str, Any] = json.loads(text.replace("${DataManagementHandlerFunctionArn}", "the-function"))
    return found


@dataclass
class Machine:
    """One state machine. `rng` shuffles the items of a map; `twice` is the share of them that run twice."""

    handler: Handler
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - not a secret
    twice: float = 0.0
    entered: list[str] = field(default_factory=list)

    def run(self, payload: Any, states: Mapping[str, Any] | None = None) -> Any:
        """Run an execution and return its output. Raises Failed."""
        states = states or definition()
        name, data = states["StartAt"], payload
        while name:
            self.entered.append(name)
            state = states["States"][name]
            assert len(json.dumps(data)) <= MAX_BYTES, name
            name, data = getattr(self, f"_{state['Type'].lower()}")(state, data)
        return data

    def _task(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        assert state["Resource"] == "arn:aws:states:::lambda:invoke"
        parameters = _filled(state["Parameters"], data)
        assert parameters["FunctionName"] == "the-function"
        try:
            response = self.handler(json.loads(json.dumps(parameters["Payload"])))
        except Timeout as error:
            [catch] = state["Catch"]
            return catch["Next"], _put(data, catch["ResultPath"], {"Error": str(error), "Cause": "x" * 30_000})
        assert len(json.dumps(response)) <= MAX_BYTES
        result = _filled(state["ResultSelector"], {"StatusCode": 200, "Payload": json.loads(json.dumps(response))})
        return state.get("Next", ""), _put(data, state.get("ResultPath", "$"), result)

    def _choice(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        for rule in state["Choices"]:
            if _holds(rule, data):
                return rule["Next"], data
        return state["Default"], data

    def _map(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        items = list(enumerate(_at(state["ItemsPath"], data)))
        results: dict[int, Any] = {}
        order = items + [item for item in items if self.rng.random() < self.twice]
        self.rng.shuffle(order)
        for number, item in order:
            results[number] = self.run(item, state["ItemProcessor"])
        listed = [results[number] for number in sorted(results)]
        assert len(json.dumps(listed)) <= MAX_BYTES
        return state["Next"], _put(data, state["ResultPath"], listed)

    def _pass(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        return state.get("Next", ""), _filled(state["Parameters"], data)

    def _succeed(self, _: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        return "", data

    def _fail(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        raise Failed(state["Error"], _at(state["CausePath"], data))


def _at(path: str, data: Any) -> Any:
    assert path.startswith("$"), path
    for part in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        data = data[part[0]] if part[0] else data[int(part[1])]
    return data


def _filled(template: Any, data: Any) -> Any:
    if not isinstance(template, Mapping):
        return template
    return {
        name.removesuffix(".$"): _at(value, data) if name.endswith(".$") else _filled(value, data)
        for name, value in template.items()
    }


def _put(data: Any, path: str, result: Any) -> Any:
    return result if path == "$" else {**data, path.removeprefix("$."): result}


def _holds(rule: Mapping[str, Any], data: Any) -> bool:
    try:
        value = _at(rule["Variable"], data)
    except (KeyError, IndexError):
        assert "IsPresent" in rule, f"{rule['Variable']} is missing, which ends the execution"
        return not rule["IsPresent"]
    if "IsPresent" in rule:
        return bool(rule["IsPresent"])
    if "BooleanEquals" in rule:
        return value is rule["BooleanEquals"]
    return bool(value == rule["NumericEquals"])
