"""What needs somebody about EC2 instances: those without a source server, and those that could not be listed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.queries.estate.attention import Attention, Severity

__all__ = ["coverage_attention"]

_COMMAND: Final = "drs-sync coverage"
_MAX_EXAMPLES: Final = 10
_PLACE: Final = ("accountId", "region")


def coverage_attention(digest: Mapping[str, Any] | None) -> list[Attention]:
    """Return what the coverage sync has found that needs somebody; nothing where it has never run.

    Args:
        digest: the member of the document (see `service.protection.digest`).
    """
    return [] if digest is None else [*_unknown(digest), *_unprotected(digest)]


def _unknown(digest: Mapping[str, Any]) -> list[Attention]:
    unknown = [each for each in digest["byScope"] if not each["isKnown"]]
    if not unknown:
        return []
    count, first = digest["scopesUnknown"], unknown[0]
    return [
        Attention(
            "COVERAGE_UNKNOWN",
            Severity.WARNING,
            count,
            f"{count:,} {'scope' if count == 1 else 'scopes'} whose EC2 instances are unknown: {first['code']}",
            first.get("advice") or "run the coverage sync again, and check that it is scheduled",
            _COMMAND,
            min((each["since"] for each in unknown if each.get("since")), default=""),
            [{name: each[name] for name in (*_PLACE, "code")} for each in unknown[:_MAX_EXAMPLES]],
        )
    ]


def _unprotected(digest: Mapping[str, Any]) -> list[Attention]:
    count = digest["unprotected"]
    if not count:
        return []
    least = "at least " if digest["isLowerBound"] else ""
    return [
        Attention(
            "INSTANCES_UNPROTECTED",
            Severity.INFO,
            count,
            f"{least}{count:,} EC2 {'instance' if count == 1 else 'instances'} that no source server protects",
            "install the agent on those that should be protected",
            _COMMAND,
            examples=[
                {name: each[name] for name in (*_PLACE, "instanceId")} for each in digest["first"][:_MAX_EXAMPLES]
            ],
        )
    ]
