"""Requests whose signature expired on the way: each is sent once more with a fresh one."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx
import pytest

from tests.aws.endpoints.test_retries import attempts, first
from tests.simulation.clock import VirtualLoop
from tests.support.mocked_aws import Respond, SignedRequest, error

SKEWED: dict[str, tuple[str, str]] = {
    # service -> error code and message of a request whose date AWS does not accept
    "drs": (
        "InvalidSignatureException",
        "Signature expired: 20261123T060000Z is now earlier than 20261123T061000Z (20261123T061500Z - 5 min.)",
    ),
    "sts": ("SignatureDoesNotMatch", "Signature expired: 20261123T060000Z is now earlier than 20261123T061000Z"),
    "ec2": ("RequestExpired", "Request has expired."),
    "dynamodb": ("InvalidSignatureException", "Signature expired: 20261123T060000Z is now earlier than 20261123T0610"),
    "events": ("InvalidSignatureException", "Signature not yet current: 20261123T060000Z is still later than 2026112"),
    "lambda": ("InvalidSignatureException", "Signature expired: 20261123T060000Z is now earlier than 20261123T061000Z"),
}


@pytest.mark.parametrize("service", SKEWED)
def test_an_expired_signature_is_repeated_once_with_a_fresh_one(service: str) -> None:
    """A request that waited too long, on a frozen host or in a queue, was signed with a date that is too old."""
    code, message = SKEWED[service]
    status = 400 if service in {"dynamodb", "events", "ec2"} else 403
    expired = first(lambda request: error(request, code, status, message), 1)
    old, new = attempts(service, _late(expired), fails=False)
    assert old.headers["x-amz-date"] != new.headers["x-amz-date"]
    assert old.headers["authorization"] != new.headers["authorization"]
    assert len(attempts(service, lambda request: error(request, code, status, message), fails=True)) == 2


def _late(respond: Respond) -> Respond:
    """Return what answers two seconds later, so that a new signature has another date."""

    def answer(request: SignedRequest) -> httpx.Response:
        cast("VirtualLoop", asyncio.get_running_loop()).advance(2.0)
        return respond(request)

    return answer


@pytest.mark.parametrize(("service", "code"), [("drs", "InvalidSignatureException"), ("sts", "SignatureDoesNotMatch")])
def test_a_wrong_signature_is_not_repeated(service: str, code: str) -> None:
    """The keys are wrong, and remain so."""
    message = "The request signature we calculated does not match the signature you provided."
    assert len(attempts(service, lambda request: error(request, code, 403, message), fails=True)) == 1
