"""An estate's document and views of servers, for tests of pages."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["ACCOUNT", "HOSTILE", "NOW", "document", "report_of", "view"]

from datetime import UTC, datetime

from service.pages.report import Report, build_report

NOW: Final = datetime(2026, 11, 23, 5, tzinfo=UTC)
ACCOUNT: Final = "111100000001"
HOSTILE: Final = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e'\"`=&"


def document(**members: Any) -> dict[str, Any]:
    """Return the body of an answer of `get_estate` with one ready and one stalled server, and one unknown scope."""
    return {
        "asOf": NOW.isoformat(),
        "verdict": "notReady",
        "complete": False,
        "servers": {
            "total": 2,
            "isLowerBound": True,
            "ready": 1,
            "syncing": 0,
            "stalled": 1,
            "disconnected": 0,
            "extensionError": 0,
            "unknown": 0,
            "readyPercent": None,
        },
        "lag": {"objectiveSeconds": 900, "worst": {"seconds": 840, "sourceServerID": "s-1"}},
        "drills": {"withoutRecent": 1, "maxAgeDays": 180, "lastLaunch": None},
        "freshness": {"oldestCompleteScan": {"ageSeconds": 60, "accountId": ACCOUNT, "region": "us-east-1"}},
        "scopeStates": {"unknown": 1},
        "staging": {"quota": 300, "nearFullPercent": 90, "fills": []},
        "needsYou": [
            {
                "code": "STALLED_AGENT_NOT_SEEN",
                "severity": "critical",
                "count": 1,
                "title": "1 server stalled: AGENT_NOT_SEEN",
                "fix": "check that the agent runs",
                "command": "drs-sync servers --state STALLED",
                "since": "2026-11-21T04:00:00+00:00",
                "examples": [{"accountId": ACCOUNT, "region": "us-east-1", "sourceServerID": "s-1"}],
            }
        ],
        "scopes": [scope("us-east-1", 2, "stalled", 60), scope("us-west-2", 0, None, None, state="unknown")],
        "scopesListed": 2,
        "scopesTotal": 2,
        "coverage": None,
        "runs": [{"operation": "sync_source_server_inventory", "startedAt": "2026-11-23T04:59:00+00:00", "scopes": {}}],
        "errors": [],
        **members,
    }


def scope(region: str, servers: int, worst: str | None, age: int | None, *, state: str = "fresh") -> dict[str, Any]:
    """Return an entry of the member `scopes`."""
    return {
        "accountId": ACCOUNT,
        "accountName": "Retail",
        "region": region,
        "state": state,
        "servers": servers,
        "isCounted": age is not None,
        "posture": {},
        "worst": worst,
        "lastComplete": None,
        "ageSeconds": age,
    }


def view(server_id: str = "s-1", posture: str = "stalled", **members: Any) -> dict[str, Any]:
    """Return a view of a server of which little is known."""
    texts = (
        "nameTag fqdn os sourceIp sourceAccount sourceRegion sourceAvailabilityZone sourceInstanceId lagDuration"
        " lastSeen valuesAsOf lastLaunchType lastLaunchStatus lastLaunchTime postureReason postureSince"
    )
    return {
        **dict.fromkeys(texts.split(), ""),
        "sourceServerID": server_id,
        "sourceServerArn": f"arn:aws:drs:us-east-1:{ACCOUNT}:source-server/{server_id}",
        "accountId": ACCOUNT,
        "stagingAccountId": ACCOUNT,
        "region": "us-east-1",
        "hostname": f"host-{server_id}",
        "replicationState": "CONTINUOUS",
        "backlogBytes": None,
        "posture": posture,
        **members,
    }


def report_of(*views: dict[str, Any], runbooks: dict[str, list[str]] | None = None, **members: Any) -> Report:
    """Build a report of servers."""
    return build_report(document(**members), views, now=NOW, runbooks=runbooks or {})
