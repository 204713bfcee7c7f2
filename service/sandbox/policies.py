"""IAM policies, as far as the sandbox enforces them: session policies, and trust policies with their conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

__all__ = ["PolicyError", "SessionPolicy", "TrustPolicy"]

_MAX_SESSION_POLICY: Final = 2048  # characters, of AssumeRole's `Policy`


class PolicyError(ValueError):
    """A policy is malformed, or has an element that the sandbox does not know: it would be enforced wrongly."""


@dataclass(frozen=True, slots=True)
class _Statement:
    is_allow: bool
    actions: tuple[re.Pattern[str], ...]
    principals: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def covers(self, action: str) -> bool:
        return any(each.fullmatch(action.lower()) for each in self.actions)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """The policy of a session, which can do no more than it allows."""

    statements: tuple[_Statement, ...]

    @classmethod
    def parse(cls, text: str) -> SessionPolicy:
        """Parse AssumeRole's `Policy`. Raises PolicyError."""
        if len(text) > _MAX_SESSION_POLICY:
            raise PolicyError(f"the policy has {len(text)} characters, and {_MAX_SESSION_POLICY} are allowed")
        try:
            document = json.loads(text)
        except ValueError as error:
            raise PolicyError(f"the policy is no JSON: {error}") from None
        return cls(tuple(_statements(document, {"Sid", "Effect", "Action", "Resource"}, _check_resource)))

    def allows(self, action: str) -> bool:
        """Whether it allows an action, which is written as in a policy: `drs:TagResource`."""
        covering = [each.is_allow for each in self.statements if each.covers(action)]
        return bool(covering) and all(covering)


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The trust policy of a role: which principals may assume it, under which conditions."""

    statements: tuple[_Statement, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> TrustPolicy:
        """Parse the document of a trust policy. Raises PolicyError."""
        members = {"Sid", "Effect", "Action", "Principal", "Condition"}
        return cls(tuple(_statements(document, members, lambda _: None)))

    def trusts(self, account_root: str, context: Mapping[str, str]) -> bool:
        """Whether a caller may assume the role.

        Args:
            account_root: ARN of the root of the caller's account. A principal by name lets nobody in.
            context: condition keys of the request and their values, such as `aws:PrincipalArn`.
        """
        callers = {account_root, account_root.split(":")[4]}
        covering = [
            each.is_allow
            for each in self.statements
            if each.covers("sts:AssumeRole") and callers & set(each.principals) and _is_met(each, context)
        ]
        return bool(covering) and all(covering)


def _statements(
    document: object, members: set[str], check: Callable[[Mapping[str, Any]], None]
) -> Iterable[_Statement]:
    if not isinstance(document, Mapping) or document.get("Version") != "2012-10-17":
        raise PolicyError("a policy is an object with the Version 2012-10-17")
    statements = document.get("Statement")
    for each in statements if isinstance(statements, list) else [statements]:
        if not isinstance(each, Mapping) or each.get("Effect") not in {"Allow", "Deny"} or "Action" not in each:
            raise PolicyError("a statement is an object with Effect and Action")
        if unknown := sorted(set(each) - members):
            raise PolicyError(f"the sandbox does not enforce {', '.join(unknown)} of a statement")
        check(each)
        yield _Statement(
            each["Effect"] == "Allow",
            tuple(_pattern(action.lower()) for action in _listed(each["Action"])),
            _principals(each),
            _conditions(each.get("Condition", {})),
        )


def _check_resource(statement: Mapping[str, Any]) -> None:
    if statement.get("Resource") not in ("*", ["*"]):
        raise PolicyError("the sandbox enforces only the Resource * of a session policy")


def _principals(statement: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the principals that are accounts, or users and roles of one; a service is none of them."""
    principal = statement.get("Principal", {})
    if not isinstance(principal, Mapping):
        raise PolicyError(f"the sandbox does not enforce the principal {principal}")
    return _listed(principal.get("AWS", []))


def _conditions(condition: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    if unknown := sorted(set(condition) - set(_OPERATORS)):
        raise PolicyError(f"the sandbox does not know the condition operator {', '.join(unknown)}")
    return {name: {key.lower(): _listed(values) for key, values in keys.items()} for name, keys in condition.items()}


def _is_met(statement: _Statement, context: Mapping[str, str]) -> bool:
    values = {key.lower(): value for key, value in context.items()}
    return all(
        key in values and any(_OPERATORS[name](values[key], wanted) for wanted in allowed)
        for name, keys in statement.conditions.items()
        for key, allowed in keys.items()
    )


def _listed(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        raise PolicyError(f"{value!r} is neither a text nor a list of texts")
    return tuple(values)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compile a text in which `*` stands for any characters and `?` for one."""
    return re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in text), re.DOTALL)


def _is_like(value: str, wanted: str) -> bool:
    return _pattern(wanted).fullmatch(value) is not None


def _is_arn_like(value: str, wanted: str) -> bool:
    """Compare two ARNs part by part: a `*` does not reach beyond a colon, except in the last part."""
    parts, patterns = value.split(":", 5), wanted.split(":", 5)
    return len(parts) == len(patterns) and all(map(_is_like, parts, patterns))


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = MappingProxyType(
    {
        "ArnEquals": _is_arn_like,
        "ArnLike": _is_arn_like,
        "StringEquals": lambda value, wanted: value == wanted,
        "StringLike": _is_like,
    }
)
