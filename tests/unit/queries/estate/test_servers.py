"""Which scopes are read for their servers, and what a server of an unknown scope shows."""

from __future__ import annotations

from service.models import Scope
from service.queries.estate.servers import SCOPE_UNKNOWN, ScopeServers, _unknown, scopes_with_servers
from tests.support.estate import ACCOUNT, scope, view


def test_scopes_that_may_have_servers_and_whether_each_is_known() -> None:
    body = {
        "scopes": [
            scope("us-west-2", 3, "ready", 1),
            scope("eu-west-1", 4, "unknown", 9, state="unknown"),
            scope("eu-west-2", 0, None, None, state="unknown"),
        ]
    }
    expected = {Scope(ACCOUNT, "eu-west-1"): False, Scope(ACCOUNT, "us-west-2"): True}
    assert list(scopes_with_servers(body).items()) == list(expected.items())


def test_a_server_of_an_unknown_scope_is_not_ready_whatever_was_stored() -> None:
    stored = ScopeServers(Scope(ACCOUNT, "us-east-1"), [view(posture="ready", postureSince="2026-11-01T00:00:00Z")])
    (shown,) = _unknown(stored).servers
    assert (shown["posture"], shown["postureReason"], shown["postureSince"]) == ("unknown", SCOPE_UNKNOWN, "")
