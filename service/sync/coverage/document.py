"""Members of the report: instances that are not protected, what was left out, and what could not be read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from service.models import Problem, Scope
from service.protection.decision import Instance, LeftOut, Reason, Unprotected
from service.sync.coverage.choice import CoverageRequest
from service.sync.coverage.scan import CoverageScan

__all__ = ["document_of"]


def document_of(
    request: CoverageRequest,
    scans: Mapping[Scope, CoverageScan],
    failures: Mapping[Scope, Problem],
    *,
    not_looked_at: Mapping[str, int],
    servers: int,
    server_scopes_unknown: Sequence[Scope] | None,
) -> dict[str, Any]:
    """Return the members of the report beside the common ones.

    Args:
        request: what was requested.
        scans: by account and region; none where the account could not be entered.
        failures: why an account and region could not be read to the last page.
        not_looked_at: number of accounts by region in which the run did not look.
        servers: how many source servers the inventory has.
        server_scopes_unknown: scopes whose source servers are not known; None where that cannot be told.
    """
    unprotected = [
        (scope, *each) for scope, scan in sorted(scans.items()) for each in sorted(scan.tally.unprotected, key=_by_id)
    ]
    listed = unprotected[: request.max_listed]
    left_out, reasons = Counter[LeftOut](), Counter[Reason]()
    for scan in scans.values():
        left_out.update(scan.tally.left_out)
        reasons.update(scan.tally.reasons)
    return {
        "tags": [key if value is None else f"{key}={value}" for key, value in request.tags.wanted],
        "sourceServers": servers,
        "instances": [_instance(*each) for each in listed],
        "instancesNotListed": len(unprotected) - len(listed),
        "byReason": {str(reason): reasons[reason] for reason in Reason},
        "leftOut": {str(kind): left_out[kind] for kind in LeftOut},
        "lookedAt": [_counts(scope, scan) for scope, scan in sorted(scans.items()) if scan.is_read],
        "unknown": [_unknown(scope, problem) for scope, problem in sorted(failures.items())],
        "notLookedAt": [{"region": region, "accounts": count} for region, count in not_looked_at.items()],
        "serverScopesUnknown": None
        if server_scopes_unknown is None
        else list(map(_scope, sorted(server_scopes_unknown))),
    }


def _by_id(found: tuple[Instance, Unprotected]) -> str:
    return found[0].instance_id


def _scope(scope: Scope) -> dict[str, str]:
    return {"accountId": scope.account_id, "region": scope.region}


def _instance(scope: Scope, instance: Instance, verdict: Unprotected) -> dict[str, str]:
    return {
        **_scope(scope),
        "instanceId": instance.instance_id,
        "name": instance.name,
        "state": instance.state,
        "instanceType": instance.instance_type,
        "reason": str(verdict.reason),
        "why": verdict.why,
        **({"sourceServerID": verdict.server_id} if verdict.server_id else {}),
    }


def _counts(scope: Scope, scan: CoverageScan) -> dict[str, Any]:
    tally = scan.tally
    return {
        **_scope(scope),
        "protected": tally.protected,
        "unprotected": len(tally.unprotected),
        "leftOut": tally.left_out.total(),
    }


def _unknown(scope: Scope, problem: Problem) -> dict[str, str]:
    return {**problem.as_json(), **_scope(scope)}
