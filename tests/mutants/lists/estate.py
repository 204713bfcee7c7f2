"""Mutants of the posture of the estate."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

_SCOPE: Final = "unit/estate/test_scope_posture.py::*"
_ESTATE: Final = "unit/estate/test_estate.py::*"
_SERVER: Final = "unit/inventory/test_posture.py::*"
_QUERY: Final = "queries/test_estate.py::*"

MUTANTS: Final = (
    Mutant(
        name="an-unknown-scope-keeps-its-ready-servers",
        breaks=("G70",),
        file="service/estate/scope_posture.py",
        before="    if state is ScopeState.UNKNOWN:\n        counts = {Posture.UNKNOWN: count}",
        after="    if state is ScopeState.UNKNOWN:\n        counts = {Posture.READY: count}",
        tests=(_SCOPE,),
    ),
    Mutant(
        name="an-old-summary-counts-as-new",
        breaks=("G70",),
        file="service/estate/scope_posture.py",
        before="abs(rules.now - as_of) <= rules.allowed",
        after="as_of is not None",
        tests=(_SCOPE,),
    ),
    Mutant(
        name="records-that-the-inventory-cannot-hold-are-forgotten",
        breaks=("G70",),
        file="service/estate/scope_posture.py",
        before="    if missing > 0:",
        after="    if missing > 10**9:",
        tests=(_SCOPE,),
    ),
    Mutant(
        name="a-percentage-beside-a-scope-that-was-never-counted",
        breaks=("G70",),
        file="service/estate/estate.py",
        before="if not self.servers or self.uncounted:",
        after="if not self.servers:",
        tests=(_ESTATE, _QUERY),
    ),
    Mutant(
        name="the-share-that-is-ready-is-rounded",
        breaks=("G70",),
        file="service/estate/estate.py",
        before="return self.counts.get(Posture.READY, 0) * 1000 // self.servers / 10",
        after="return round(self.counts.get(Posture.READY, 0) * 100 / self.servers, 1)",
        tests=(_ESTATE,),
    ),
    Mutant(
        name="an-error-beside-a-continuous-state-is-ready",
        breaks=("G70",),
        file="service/inventory/posture.py",
        before="    if error or posture is Posture.STALLED:",
        after="    if posture is Posture.STALLED:",
        tests=(_SERVER,),
    ),
    Mutant(
        name="a-lag-over-the-objective-is-ready",
        breaks=("G70",),
        file="service/inventory/posture.py",
        before="    if lag_s is not None and lag_s > objective_s:",
        after="    if lag_s is not None and lag_s > 10 * objective_s:",
        tests=(_SERVER,),
    ),
    Mutant(
        name="the-verdict-ignores-what-is-unknown",
        breaks=("G70",),
        file="service/queries/estate/document.py",
        before="    if not is_complete or estate.counts.get(Posture.UNKNOWN):",
        after="    if estate.counts.get(Posture.UNKNOWN):",
        tests=("unit/queries/estate/test_document.py::*", _QUERY),
    ),
    Mutant(
        name="since-when-begins-anew-with-each-sync",
        breaks=("G71",),
        file="service/sync/inventory/servers.py",
        before="            return since",
        after="            return iso(now)",
        tests=("queries/test_estate.py::test_a_server_that_stalls_is_shown_with_reason_and_time_after_one_sync",),
    ),
    Mutant(
        name="the-outbox-is-written-without-its-condition",
        breaks=("G72",),
        file="service/sync/inventory/outbox.py",
        before='is_same = "#version = :read" if isinstance(version, int) else "attribute_not_exists( #version )"',
        after='is_same = "#version >= :read" if isinstance(version, int) else "attribute_not_exists( #version )"',
        tests=("sync/test_events.py::test_a_run_that_has_compared_with_what_another_has_replaced_announces_nothing",),
    ),
    Mutant(
        name="refused-events-are-forgotten",
        breaks=("G72",),
        file="service/aws/eventbridge.py",
        before='    if isinstance(members.get("EventId"), str) and',
        after='    if not isinstance(members.get("EventId"), int) or',
        tests=("sync/test_events.py::test_events_that_are_refused_are_put_again_and_no_others",),
    ),
    Mutant(
        name="what-an-earlier-run-left-is-never-sent",
        breaks=("G72",),
        file="service/sync/inventory/outbox.py",
        before="        if pending and self._is_claimed(item):",
        after="        if pending:",
        tests=("sync/test_events.py::test_a_run_that_is_killed_while_it_sends_loses_no_event",),
    ),
    Mutant(
        name="a-scope-that-is-known-again-announces-each-server",
        breaks=("G72",),
        file="service/estate/changes.py",
        before="if changes and (was_unknown or is_too_much(changes)):",
        after="if changes and is_too_much(changes):",
        tests=(
            "sync/test_events.py::test_a_scope_that_becomes_unknown_and_known_again_is_one_event_each",
            "unit/estate/test_changes.py::test_a_scope_that_was_unknown_or_never_seen_gives_one_summary_at_most",
        ),
    ),
    Mutant(
        name="an-outdated-scan-takes-back-what-was-announced",
        breaks=("G72",),
        file="service/sync/inventory/outbox.py",
        before="        if not self._is_newer(item, as_of) and",
        after="        if",
        tests=("sync/test_events.py::test_a_scan_that_is_older_than_what_was_announced_announces_nothing",),
    ),
    Mutant(
        name="what-was-accepted-is-sent-again-after-a-call-has-failed",
        breaks=("G72",),
        file="service/sync/inventory/outbox.py",
        before="return Sending([*refused, *left[start:]], error=error)",
        after="return Sending(left, error=error)",
        tests=("sync/test_events.py::test_events_that_were_accepted_are_not_sent_again_after_a_later_call_has_failed",),
    ),
    Mutant(
        name="an-event-that-is-refused-is-kept-for-ever",
        breaks=("G72",),
        file="service/sync/inventory/outbox.py",
        before="if found_at(event) > self._announcer.now() - _KEPT]",
        after="]",
        tests=(
            "sync/test_events.py::test_an_event_that_is_refused_for_ever_holds_up_no_other_and_is_given_up_after_a_day",
        ),
    ),
    Mutant(
        name="an-empty-scope-forgets-the-events-that-it-has-to-send",
        breaks=("G72",),
        file="service/sync/inventory/scan.py",
        before=" or self._known_count > 0 or self._has_unsent)",
        after=" or self._known_count > 0)",
        tests=(
            "sync/test_events.py::test_the_last_servers_of_a_scope_are_announced_as_gone_although_the_bus_failed_then",
        ),
    ),
    Mutant(
        name="a-server-that-nobody-can-judge-has-recovered",
        breaks=("G72",),
        file="service/estate/changes.py",
        before="    return before if is_undecided else Mark.GOOD",
        after="    return Mark.GOOD",
        tests=("unit/estate/test_changes.py::*",),
    ),
    Mutant(
        name="an-account-that-nobody-can-count-has-room-again",
        breaks=("G72",),
        file="service/estate/estate_changes.py",
        before="in uncertain}",
        after="in ()}",
        tests=("unit/estate/test_estate_changes.py::*",),
    ),
    Mutant(
        name="figures-of-the-estate-are-not-published",
        breaks=("G73",),
        file="service/sync/engine/metrics.py",
        before='    figures |= report.get("estate") or {}\n',
        after="",
        tests=("unit/test_metrics.py::test_the_figures_of_the_estate_are_metrics_of_the_sync_that_has_them",),
    ),
)
