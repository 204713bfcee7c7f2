"""The promises of answers: an answer of the inventory query is compared with what was ever read of DRS."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from service.errors import DrsSyncError
from service.models import Scope, parse_iso
from service.queries.answer import Answer
from service.queries.params import InventoryParams
from tests.simulation.host import Host
from tests.simulation.listings import Listing

__all__ = ["check_inventory_answer"]

_SLOW: Final = timedelta(minutes=5)  # a run or a query may take long, and region status be cached


async def check_inventory_answer(host: Host, *, of_run: int | None = None) -> None:
    """Query every server, and check whether the answer is complete, and the lag of each server.

    Args:
        host: the process that queries.
        of_run: the last run, whose lags are expected of all that the query does not ask DRS for; None: of any run.
    """
    table = host.aws.dynamodb.tables["target_accounts_table"].items
    targets, answer = set(table), None
    with suppress(DrsSyncError):  # no answer, no promise
        answer = await host.query(InventoryParams())
    if answer is not None:
        _check_completeness(host, answer, sorted(account_id for (account_id,) in targets & set(table)))
        _check_lags(host, answer, of_run)


def _check_completeness(host: Host, answer: Answer, targets: Iterable[str]) -> None:
    scopes = [Scope(account_id, region) for account_id in targets for region in host.aws.regions]
    unknown = [scope for scope in scopes if not _is_known(host, scope)]
    if answer.body["complete"] and unknown:
        host.promises.breaks("an answer is complete only if every scope is known", unknown)


def _check_lags(host: Host, answer: Answer, of_run: int | None) -> None:
    """Check that each lag was listed by the scan that the answer names; only where all clocks are right."""
    if not host.aws.same_clocks:
        return
    # An item without values beside it is dated by the begin of its run, which may have been frozen before it listed.
    slow = _SLOW + timedelta(seconds=host.promises.frozen_s)
    by_scope: dict[Scope, list[Listing]] = {}
    for listing in host.promises.listings:
        by_scope.setdefault(listing.scope, []).append(listing)
    for server in answer.body["servers"]:
        as_of, arn = parse_iso(server["valuesAsOf"]), server["sourceServerArn"]
        # What the answer calls stale may be of any run: the last one left the scope out, and DRS refused the query.
        runs = None if of_run is None or server.get("stale") else {of_run, host.last_run}  # that of the query too
        listed = {
            each.lags.get(arn)
            for each in by_scope.get(Scope(server["accountId"], server["region"]), ())
            if runs is None or each.run in runs
            if as_of is None or timedelta(0) <= each.began_on_host_clock - as_of <= slow
        }
        if _duration_s(server["lagDuration"]) not in {_duration_s(lag) for lag in listed if lag}:
            host.promises.breaks("a lag is that of the scan it is dated by", f"{server['lagDuration']} of {arn}")


def _is_known(host: Host, scope: Scope) -> bool:
    """Whether a scope was ever read completely, or told to be switched off, within the time that settings allow."""
    chosen, promises = host.settings, host.promises
    allowed_s = chosen.discovery_window_seconds + chosen.sync_interval_seconds
    read = [each.began for each in promises.listings if each.scope == scope and each.complete]
    read += [promises.switched_off[scope]] if scope in promises.switched_off else []
    if not host.aws.same_clocks:
        return bool(read)
    return any(host.loop.time() - each <= allowed_s + _SLOW.total_seconds() for each in read)


def _duration_s(text: str) -> int:
    """Return the seconds of a duration such as P1DT2H3M4S, however its parts are divided; -1 where it is none."""
    match = _DURATION.fullmatch(text)
    return (
        -1 if match is None else sum(int(part or 0) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True))
    )


_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_UNITS_S: Final = (86_400, 3600, 60, 1)
