"""Which of the SDK's event handlers clients of ours need, and names that copies of an emitter share."""

from __future__ import annotations

import copy

import pytest
from botocore.handlers import BUILTIN_HANDLERS
from botocore.hooks import EventAliaser, HierarchicalEmitter

from service.aws.session_events import SharedAliases, is_needed


@pytest.mark.parametrize(
    ("event", "needed"),
    [
        ("before-call", True),
        ("choose-signer", True),
        ("before-parameter-build.ec2.*", True),
        ("choose-signer.sts.AssumeRoleWithWebIdentity", True),
        ("before-parse.sso-oidc.*", True),
        ("before-call.eventbridge.PutEvents", True),
        ("docs.*.ec2.*.complete-section", False),
        ("before-call.s3.DeleteObjects", False),
        ("creating-client-class.rds", False),
    ],
)
def test_handlers_of_services_that_are_called_are_kept(event: str, *, needed: bool) -> None:
    assert is_needed(event) == needed


def test_most_handlers_of_the_pinned_sdk_are_for_others() -> None:
    kept = [spec[0] for spec in BUILTIN_HANDLERS if is_needed(spec[0])]
    assert 0 < len(kept) < len(BUILTIN_HANDLERS) / 4


def test_copies_share_the_names_that_they_have_looked_up() -> None:
    first = SharedAliases(HierarchicalEmitter())
    second = copy.copy(first)
    calls: list[str] = []
    first.register("before-call.events.PutEvents", lambda **_: calls.append("first"))
    second.register("before-call.events.PutEvents", lambda **_: calls.append("second"))
    second.emit("before-call.eventbridge.PutEvents")
    assert calls == ["second"], "handlers stay apart"
    plain = EventAliaser(HierarchicalEmitter())
    for name in ("before-call.events.PutEvents", "before-call.drs.DescribeJobs", "needs-retry.sts"):
        assert first._alias_event_name(name) == plain._alias_event_name(name)
        assert name in second._alias_name_cache
