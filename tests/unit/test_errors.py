"""Classification of error codes, compared with the documented region status words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.error_codes import classify
from service.errors import AwsError
from service.models import Call, RegionStatus

S = RegionStatus
SCP_TEXT = "User is not authorized to perform drs:X with an explicit deny in a service control policy"
CALL = Call("drs", "DescribeSourceServers", "111122223333", "us-west-2")


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("UninitializedAccountException", "", S.NOT_INITIALIZED),
        ("ValidationException", "Account not initialized. Use the DRS console to initialize it.", S.ERROR),
        ("SomethingNobodyKnows", "Account not initialized", S.ERROR),
        ("InternalServerException", "Account not initialized", S.ERROR),
        ("AccessDeniedException", "not authorized to perform drs:X", S.IAM_PERMISSION_DENIED),
        ("AccessDenied", "is not authorized to perform: sts:AssumeRole", S.IAM_PERMISSION_DENIED),
        ("UnauthorizedOperation", "You are not authorized", S.IAM_PERMISSION_DENIED),
        ("AccessDeniedException", SCP_TEXT, S.SCP_DENIED),
        ("AccessDenied", SCP_TEXT.upper(), S.SCP_DENIED),
        ("UnauthorizedOperation", SCP_TEXT, S.SCP_DENIED),
        ("AccessDeniedException", "denied on arn:aws:iam::1:role/scp-reader", S.IAM_PERMISSION_DENIED),
        ("ValidationException", "bad value scp", S.ERROR),
        ("ValidationException", SCP_TEXT, S.ERROR),
        ("ThrottlingException", "Rate exceeded", S.THROTTLED),
        ("TooManyRequestsException", "", S.THROTTLED),
        ("RequestLimitExceeded", "", S.THROTTLED),
        ("Throttling", "", S.THROTTLED),
        ("OptInRequired", "", S.REGION_NOT_OPTED_IN),
        ("SubscriptionRequiredException", "", S.REGION_NOT_OPTED_IN),
        ("UnrecognizedClientException", "The security token included is invalid", S.REGION_NOT_ENABLED),
        ("InvalidClientTokenId", "", S.REGION_NOT_ENABLED),
        ("AuthFailure", "", S.REGION_NOT_ENABLED),
        ("EndpointUnreachable", "", S.ENDPOINT_UNREACHABLE),
        pytest.param("ReadTimeout", "", S.ENDPOINT_UNREACHABLE, id="time-outs are unreachable, too"),
        ("InternalServerException", "", S.ERROR),
        ("ValidationException", "", S.ERROR),
        ("ExpiredTokenException", "", S.ERROR),
        ("ExpiredToken", "", S.ERROR),
        ("RequestExpired", "", S.ERROR),
        ("SomethingNobodyKnows", "", S.ERROR),
    ],
)
def test_every_signal_has_the_word_of_the_contract(code: str, message: str, status: RegionStatus) -> None:
    assert classify(code, message=message).status is status


@pytest.mark.parametrize(
    ("code", "http_status", "retry", "throttle"),
    [
        ("Strange", 500, True, False),
        ("Strange", 503, True, False),
        ("Strange", 429, True, True),
        ("Strange", 400, False, False),
        ("Strange", 0, False, False),
        ("ThrottlingException", 400, True, True),
        ("AccessDeniedException", 500, False, False),  # a known code takes precedence over the HTTP status
        ("UninitializedAccountException", 400, False, False),
        ("UninitializedAccountException", 500, True, False),  # a fault of the server settles nothing
        ("InternalServerException", 500, True, False),
        ("ConflictException", 409, False, False),
        ("ServiceQuotaExceededException", 402, False, False),
        ("ValidationException", 400, False, False),
        ("EndpointUnreachable", 0, True, False),
        ("CertificateRefused", 0, False, False),
    ],
)
def test_which_errors_are_worth_another_try(code: str, http_status: int, *, retry: bool, throttle: bool) -> None:
    error_class = classify(code, http_status=http_status)
    assert (error_class.retry, error_class.throttle) == (retry, throttle)


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        ("AccessDeniedException", 403),
        ("InternalServerException", 500),
        ("ThrottlingException", 429),
        ("Strange", 503),
        ("Strange", 400),
        ("Strange", 0),
        ("UninitializedAccountException", 503),
    ],
)
def test_neither_a_text_nor_a_server_fault_settles_a_count(code: str, http_status: int) -> None:
    assert not classify(code, message="Account not initialized", http_status=http_status).status.settles_count


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_an_ended_session_is_renewed_and_tried_again(code: str) -> None:
    error_class = classify(code)
    assert error_class.expired
    assert error_class.retry


@given(
    code=st.text() | st.sampled_from(["AccessDeniedException", "ThrottlingException", "InternalServerException"]),
    message=st.text() | st.sampled_from(["not found", "Initialized", "Account not initialized", "NOT INITIALIZED"]),
    http_status=st.integers(0, 599),
)
def test_no_other_error_settles_a_count(code: str, message: str, http_status: int) -> None:
    error_class = classify(code, message=message, http_status=http_status)
    assert error_class.status not in {S.ACTIVE, S.NOT_INITIALIZED}


def test_only_a_complete_answer_settles_a_count() -> None:
    assert {status for status in RegionStatus if status.settles_count} == {S.ACTIVE, S.NOT_INITIALIZED}


def test_an_error_says_where_it_happened_and_what_to_do() -> None:
    error = AwsError("AccessDeniedException", SCP_TEXT, CALL, http_status=403)
    problem = error.problem
    assert (problem.code, problem.status) == ("AccessDeniedException", S.SCP_DENIED)
    assert (problem.service, problem.operation, problem.account_id, problem.region) == tuple(CALL)
    assert "exclude" in problem.advice
    assert all(word in str(error) for word in ("drs", "DescribeSourceServers", "us-west-2", "AccessDeniedException"))


@pytest.mark.parametrize(
    ("service", "code", "expected"),
    [
        ("drs", "UninitializedAccountException", True),
        ("sts", "UninitializedAccountException", False),
        ("drs", "AccessDeniedException", False),
    ],
)
def test_only_drs_says_that_it_is_not_initialized(service: str, code: str, *, expected: bool) -> None:
    error = AwsError(code, "no", Call(service, "X", "111122223333", "us-east-1"))
    assert error.is_drs_uninitialized is expected
