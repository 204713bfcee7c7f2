"""The servers of one region, as the older of the two server routes tells them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from service.aws.client import AwsClient
from service.errors import RefusalError
from service.models import Now, Problem, RegionStatus, Scope
from service.queries.answer import Answer, answer_of
from service.queries.asked import ServersAsked
from service.queries.freshness import StatusView, is_fresh
from service.queries.ground import GroundKeeper
from service.queries.inventory import shown_of
from service.queries.paging import cut
from service.queries.present import display_state
from service.queries.reading import QueryDeadline, Reading, Source
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["ServersQuery", "refusal_of"]

_log: Final = logging.getLogger(__name__)


class _Refusal(NamedTuple):
    code: str
    status: int
    message: str


# Callers look for a phrase in the message, and take the first of their list that they find: "not initialized", "not
# authorized", "service control policy", "not enabled", "not opted", "rate limit", "unreachable". So a message holds
# its own phrase and none that stands before it, and AWS's words stay out of it.
_REFUSALS: Final[Mapping[RegionStatus, _Refusal]] = MappingProxyType(
    {
        # the strongest first: it speaks for several accounts
        RegionStatus.IAM_PERMISSION_DENIED: _Refusal(
            "REGION_ACCESS_DENIED", 403, "The role of {account} is not authorized to read DRS in {region}"
        ),
        RegionStatus.SCP_DENIED: _Refusal(
            "REGION_ACCESS_DENIED", 403, "A service control policy forbids {account} to read DRS in {region}"
        ),
        RegionStatus.REGION_NOT_ENABLED: _Refusal(
            "REGION_NOT_ENABLED", 400, "The region {region} is not enabled for {account}"
        ),
        RegionStatus.NOT_INITIALIZED: _Refusal(
            "DRS_NOT_INITIALIZED", 400, "DRS is not initialized in {region} for {account}"
        ),
    }
)
_FAILURES: Final[Mapping[RegionStatus, str]] = MappingProxyType(
    {
        RegionStatus.REGION_NOT_OPTED_IN: "{account} has not opted in to the region {region}",
        RegionStatus.THROTTLED: "DRS in {region} keeps {account} to its rate limit; try again later",
        RegionStatus.ENDPOINT_UNREACHABLE: "DRS in {region} is unreachable from here",
    }
)


def refusal_of(status: RegionStatus, scope: Scope) -> RefusalError | None:
    """Give the refusal that a word of the status table stands for; None for a word that refuses nothing."""
    refusal = _REFUSALS.get(status)
    if refusal is None:
        return None
    message = refusal.message.format(account=scope.account_id, region=scope.region)
    details = {"region": scope.region, "initialized": False}
    return RefusalError(refusal.code, message, status=refusal.status, details=details)


class ServersQuery:
    """Answers questions for the servers of a region; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._settings = settings
        self._now = now
        self._grounds = GroundKeeper(aws_client, settings, status, now)

    async def run(self, asked: ServersAsked) -> Answer:
        """Answer with every server of the region: from the inventory, or from DRS with the records as DRS told them.

        `assignedToProtectionGroup` stays null and `selectable` tells the replication state alone.

        Raises:
            RefusalError: DRS cannot be read there by any account asked; `details` are members of the answer.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        ground = await self._grounds.prepare(deadline)
        if asked.account:
            ground.check(asked.account)
        accounts = (asked.account,) if asked.account else tuple(ground.directory.targets)
        scopes = [Scope(account_id, asked.region) for account_id in sorted(accounts)]
        told = {scope: word for scope in scopes if (word := self._told(ground.view, scope, self._now())) is not None}
        if len(told) < len(scopes):
            # Beside an answer, an account that is refused is one that is lacking: it is asked, and named as such.
            told = {scope: word for scope, word in told.items() if word.settles_count}
        reading = await self._grounds.read(ground, tuple(scope for scope in scopes if scope not in told), deadline)
        _refuse(told, reading)
        state = ground.state(reading, (asked.account,) if asked.account else ())
        return answer_of("get_drs_source_servers", _body(asked.region, reading, state), reading)

    def _told(self, view: StatusView, scope: Scope, now: datetime) -> RegionStatus | None:
        """Give the word of a recent look at this place that makes another look pointless."""
        entry = view.entry(scope)
        if entry is None or entry.status not in _REFUSALS:
            return None
        recent = is_fresh(entry.last_checked, now, self._settings.inventory_fresh_seconds)
        return entry.status if recent else None


def _refuse(told: Mapping[Scope, RegionStatus], reading: Reading) -> None:
    """Raise when no account has an answer: what may pass first, then the strongest word."""
    words = dict(told)
    for result in reading.results:
        if result.status is not None and result.status in _REFUSALS:
            words[result.scope] = result.status
        elif result.problem is None or result.source is not Source.NONE:
            return
        else:
            raise _failure(result.scope, result.problem)
    for status in _REFUSALS:
        scope = next((scope for scope, word in words.items() if word is status), None)
        refusal = refusal_of(status, scope) if scope else None
        if refusal is not None:
            raise refusal


def _failure(scope: Scope, problem: Problem) -> RefusalError:
    _log.warning("DRS could not be read", extra={"trouble": problem.as_json()})
    text = _FAILURES.get(problem.status, "DRS in {region} could not be read for {account}")
    return RefusalError(
        "DRS_ERROR",
        text.format(account=scope.account_id, region=scope.region),
        status=500,
        details={"region": scope.region, "code": problem.code},
    )


def _body(region: str, reading: Reading, state: Mapping[str, Any]) -> dict[str, Any]:
    servers = shown_of(reading)
    asked_drs = reading.source != Source.INVENTORY
    if asked_drs:
        servers = [display_state(shown) for shown in servers]
    records = [record for result in reading.results for record in result.records]
    fits = cut(servers, limit=None)
    body: dict[str, Any] = {
        "servers": servers[:fits],
        "region": region,
        "serverCount": len(servers),
        **state,
        "complete": state["complete"] and fits == len(servers),
    }
    if fits < len(servers):
        body["truncated"] = True  # the inventory route gives pages
    elif asked_drs and cut([*servers, *records], limit=None) == len(servers) + len(records):
        body["sourceServers"] = records
    return body
