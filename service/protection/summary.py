"""Summary of how the EC2 instances of one account and region are protected, and the item that holds it. Pure.

All summaries are in one partition of the topology table, so one query reads them all. An item is small and does not
grow with the estate: what could be many is counted, and only the first few instances are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.models import Problem, Scope, is_account_id, iso, parse_iso
from service.protection.decision import ProtectionTally

__all__ = [
    "AS_OF",
    "MAX_NAMED",
    "PARTITION",
    "RUN_KEY",
    "CoverageRun",
    "CoverageSummary",
    "UnprotectedInstance",
    "failure_attributes",
    "run_item",
    "run_of",
    "summary_item",
    "summary_key",
    "summary_of",
]

PARTITION: Final = "coverage"
"""`pk` of all these items."""
RUN_KEY: Final[Mapping[str, str]] = {"pk": PARTITION, "sk": "run"}
"""Key of the item about the last run over everything."""
AS_OF: Final = "asOf"
MAX_NAMED: Final = 10
"""How many unprotected instances a summary names; all are counted."""
_MAX_NAME: Final = 100  # characters; EC2 allows 256 in a tag
_MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class UnprotectedInstance:
    """An instance that a summary names: its Name tag, which may be empty and hostile, and why it is not protected."""

    instance_id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """How the EC2 instances of one account and region are protected, by the last complete read of them.

    The counts are those of `as_of`. They stay when a later read fails, and `failed_since` then says that they are
    outdated. Use them as known only if `is_known`: a scope that could not be read is unknown, and never protected.

    Attributes:
        scope: the account and region of the instances.
        as_of: when the complete read began; None if there never was one.
        protected: instances from which a source server replicates.
        unprotected: instances from which none does.
        by_reason: the same by reason: NO_SOURCE_SERVER, SERVER_MOVED, SERVER_STOPPED or SERVER_DISCONNECTED.
        left_out: instances that are not asked about, by kind: replicationServers, conversionServers,
            recoveryInstances, terminated, otherAccounts.
        first: up to MAX_NAMED of the unprotected ones, in the order of their ids.
        server_scopes_unknown: scopes whose source servers were not known then; an instance that counts as unprotected
            may be protected by a server there. None: it was not known how many.
        failed_since: when reads began to fail; None if the last one was complete.
        failure: what failed last: `code`, `message`, `cause`, `advice`; empty if the last read was complete.
    """

    scope: Scope
    as_of: datetime | None = None
    protected: int = 0
    unprotected: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    first: tuple[UnprotectedInstance, ...] = ()
    server_scopes_unknown: int | None = 0
    failed_since: datetime | None = None
    failure: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether the last read was complete; how old it is says `as_of`."""
        return self.as_of is not None and self.failed_since is None

    @property
    def instances(self) -> int:
        """How many instances there were, with those left out."""
        return self.protected + self.unprotected + sum(self.left_out.values())


@dataclass(frozen=True, slots=True)
class CoverageRun:
    """The last run that looked in every account and region from which servers come.

    Attributes:
        started_at: when it began.
        scopes: in how many accounts and regions it looked.
        not_looked_at: how many accounts from which servers come it did not look at, by region.
        server_scopes_unknown: as in `CoverageSummary`.
    """

    started_at: datetime
    scopes: int = 0
    not_looked_at: Mapping[str, int] = field(default_factory=dict)
    server_scopes_unknown: int | None = 0


def summary_key(scope: Scope) -> dict[str, str]:
    """Return the key of the summary of a scope."""
    return {"pk": PARTITION, "sk": f"{scope.account_id}#{scope.region}"}


def summary_item(
    scope: Scope, tally: ProtectionTally, *, as_of: datetime, server_scopes_unknown: int | None
) -> dict[str, Any]:
    """Build the item of a scope that was read completely. The arguments are those of `CoverageSummary`."""
    first = sorted(tally.unprotected, key=lambda each: each[0].instance_id)[:MAX_NAMED]
    return {
        **summary_key(scope),
        AS_OF: iso(as_of),
        "protected": tally.protected,
        "unprotected": len(tally.unprotected),
        "byReason": {str(reason): count for reason, count in tally.reasons.items()},
        "leftOut": {str(kind): count for kind, count in tally.left_out.items()},
        "first": [
            {"instanceId": instance.instance_id, "name": instance.name[:_MAX_NAME], "reason": str(verdict.reason)}
            for instance, verdict in first
        ],
        "serverScopesUnknown": server_scopes_unknown,
    }


def failure_attributes(problem: Problem, *, at: datetime) -> dict[str, Any]:
    """Return the attributes that a failed read sets on the item of its scope, beside `failedSince`."""
    texts = {"code": problem.code, "message": problem.message, "cause": problem.cause, "advice": problem.advice}
    return {"failedAt": iso(at), "failure": {name: text[:_MAX_TEXT] for name, text in texts.items() if text}}


def run_item(run: CoverageRun) -> dict[str, Any]:
    """Build the item about a run."""
    return {
        **RUN_KEY,
        AS_OF: iso(run.started_at),
        "scopes": run.scopes,
        "notLookedAt": dict(run.not_looked_at),
        "serverScopesUnknown": run.server_scopes_unknown,
    }


def run_of(item: Mapping[str, Any]) -> CoverageRun | None:
    """Read the item about a run; None if it is not what a run writes."""
    started_at = parse_iso(item.get(AS_OF))
    if started_at is None:
        return None
    unknown = item.get("serverScopesUnknown")
    return CoverageRun(started_at, _count(item.get("scopes")) or 0, _counts(item.get("notLookedAt")), _count(unknown))


def summary_of(item: Mapping[str, Any]) -> CoverageSummary | None:
    """Read the item of a scope; None for an item of another kind.

    An item whose counts are not what a sync writes tells nothing: its scope is unknown. Never raises.
    """
    scope = _scope_of(item)
    if scope is None:
        return None
    failed_since, failure = parse_iso(item.get("failedSince")), _texts(item.get("failure"))
    as_of, protected, unprotected = (
        parse_iso(item.get(AS_OF)),
        _count(item.get("protected")),
        _count(item.get("unprotected")),
    )
    if as_of is None or protected is None or unprotected is None:
        return CoverageSummary(scope, failed_since=failed_since, failure=failure)
    return CoverageSummary(
        scope,
        as_of,
        protected,
        unprotected,
        _counts(item.get("byReason")),
        _counts(item.get("leftOut")),
        _instances(item.get("first")),
        _count(item.get("serverScopesUnknown")),
        failed_since or parse_iso(item.get("failedAt")),
        failure,
    )


def _scope_of(item: Mapping[str, Any]) -> Scope | None:
    account_id, separator, region = str(item.get("sk")).partition("#")
    if item.get("pk") != PARTITION or not (separator and region and is_account_id(account_id)):
        return None
    return Scope(account_id, region)


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _counts(value: object) -> dict[str, int]:
    members = value.items() if isinstance(value, Mapping) else ()
    return {name: count for name, each in members if (count := _count(each)) is not None}


def _texts(value: object) -> dict[str, str]:
    members = value.items() if isinstance(value, Mapping) else ()
    return {name: text for name, text in members if isinstance(text, str)}


def _instances(value: object) -> tuple[UnprotectedInstance, ...]:
    entries: Sequence[object] = value if isinstance(value, list) else ()
    found = [_texts(each) for each in entries[:MAX_NAMED]]
    return tuple(
        UnprotectedInstance(each["instanceId"], each.get("name", ""), each.get("reason", ""))
        for each in found
        if each.get("instanceId")
    )
