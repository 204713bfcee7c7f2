"""What is retried, as each protocol reports it: how often, after how long, and with which signature."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise

import httpx
import pytest

from service.aws.call_counter import counting_calls
from service.errors import AwsError
from service.models import RegionStatus
from tests.aws.endpoints.calls import CALLS, call
from tests.support.mocked_aws import MockedAws, Respond, SignedRequest, error, ok, run_against


def first(respond: Respond, count: int) -> Respond:
    """Return what answers so at first, then as AWS does."""
    seen: list[SignedRequest] = []

    def answer(request: SignedRequest) -> httpx.Response:
        seen.append(request)
        return respond(request) if len(seen) <= count else ok(request)

    return answer


def attempts(service: str, respond: Respond, *, fails: bool) -> list[SignedRequest]:
    """Make one call of a service, and return its attempts."""

    async def work(aws: MockedAws) -> list[SignedRequest]:
        async with aws.client() as aws_client:
            with pytest.raises(AwsError) if fails else nullcontext():
                await call(aws_client, service, "us-west-2")
        return aws.requests

    return run_against(respond, work, {})


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("service", CALLS)
def test_a_fault_of_the_server_is_retried_with_growing_pauses(service: str, status: int) -> None:
    made = attempts(service, lambda request: error(request, "SomethingElse", status), fails=True)
    assert len(made) == 4
    pauses = [later.at_s - earlier.at_s for earlier, later in pairwise(made)]
    # Full jitter: at most 0.25 s times two to the power of the attempt.
    assert all(0 <= pause <= 0.25 * 2**attempt for attempt, pause in enumerate(pauses, start=1)), pauses
    assert sum(pauses) > 0


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>"], ids=["empty", "html"])
@pytest.mark.parametrize("service", CALLS)
def test_a_fault_without_a_document_is_retried(service: str, body: bytes) -> None:
    """A load balancer before AWS answers with text, or with nothing."""
    assert len(attempts(service, first(lambda _: httpx.Response(502, content=body), 2), fails=False)) == 3


THROTTLED: dict[str, tuple[str, int]] = {
    "drs": ("ThrottlingException", 429),
    "sts": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "events": ("ThrottlingException", 400),
    "lambda": ("TooManyRequestsException", 429),
}


@pytest.mark.parametrize("service", THROTTLED)
def test_throttling_is_recognised_in_every_protocol(service: str) -> None:
    """The code is in a header, in a JSON body or in XML; eleven throttlings in a row are waited out."""
    code, status = THROTTLED[service]
    with counting_calls() as counted:
        made = attempts(service, first(lambda request: error(request, code, status), 11), fails=False)
    assert len(made) == 12
    assert counted.throttled == 11
    assert len(attempts(service, lambda request: error(request, code, status), fails=True)) == 12


@pytest.mark.parametrize(("header", "value"), [("Retry_After", "7"), ("x_amz_retry_after", "7000")])
@pytest.mark.parametrize("service", THROTTLED)
def test_a_retry_after_is_kept(service: str, header: str, value: str) -> None:
    code, status = THROTTLED[service]
    throttled = first(lambda request: error(request, code, status, **{header: value}), 1)
    before, after = attempts(service, throttled, fails=False)
    assert after.at_s - before.at_s >= 7


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("drs", "AccessDeniedException", 403),
        ("drs", "UninitializedAccountException", 400),
        ("drs", "ValidationException", 400),
        ("drs", "UnrecognizedClientException", 403),
        ("sts", "AccessDenied", 403),
        ("sts", "InvalidClientTokenId", 403),
        ("ec2", "UnauthorizedOperation", 403),
        ("ec2", "AuthFailure", 401),
        ("dynamodb", "AccessDeniedException", 400),
        ("dynamodb", "ResourceNotFoundException", 400),
        ("events", "AccessDeniedException", 400),
        ("lambda", "AccessDeniedException", 403),
        ("lambda", "ResourceNotFoundException", 404),
    ],
)
def test_a_definite_answer_is_not_retried(service: str, code: str, status: int) -> None:
    (made,) = attempts(service, lambda request: error(request, code, status), fails=True)
    assert made.operation == CALLS[service][0]


@pytest.mark.parametrize("service", ["drs", "sts"])
@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        (httpx.ConnectError("refused"), 2),
        (httpx.ConnectTimeout("late"), 2),
        (httpx.ReadTimeout("late"), 2),
        (httpx.ReadError("reset"), 4),
        (httpx.RemoteProtocolError("closed"), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_connection_is_retried(service: str, failure: httpx.TransportError, tries: int) -> None:
    """Once where the endpoint does not answer, since each attempt costs a timeout."""

    def broken(_: SignedRequest) -> httpx.Response:
        raise failure

    assert len(attempts(service, broken, fails=True)) == tries
    assert len(attempts(service, first(broken, 1), fails=False)) == 2


@pytest.mark.parametrize("service", CALLS)
def test_a_redirect_is_not_followed(service: str) -> None:
    for status in (301, 307):
        moved = httpx.Response(status, headers={"Location": "https://elsewhere.example.com/"})
        made = attempts(service, lambda _, moved=moved: moved, fails=True)  # type: ignore[misc]
        assert {request.host for request in made} == {f"{service}.us-west-2.amazonaws.com"}


def test_a_region_that_is_off_is_told_by_its_code_and_not_retried() -> None:
    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            with pytest.raises(AwsError) as caught:
                await call(aws_client, "drs", "ap-east-1")
        assert caught.value.error_class.status is RegionStatus.REGION_NOT_ENABLED
        assert aws.hosts == ["drs.ap-east-1.amazonaws.com"]

    run_against(lambda request: error(request, "UnrecognizedClientException", 403), work, {})
