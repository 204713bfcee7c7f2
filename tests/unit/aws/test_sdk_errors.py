"""SDK exceptions become AwsError; exceptions that mean a bug do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from service.aws.credential_errors import CredentialSourceError
from service.aws.sdk_errors import translating_sdk_errors
from service.errors import AwsError
from service.models import Call, RegionStatus

CALL = Call("drs", "DescribeSourceServers", "111122223333", "us-west-2")
URL = "https://drs.us-west-2.amazonaws.com"


def convert(error: BaseException) -> AwsError:
    with pytest.raises(AwsError) as caught, translating_sdk_errors(CALL):
        raise error
    assert caught.value.call == CALL
    return caught.value


def client_error(
    code: str | None = "ThrottlingException",
    *,
    status: int = 400,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> sdk.ClientError:
    error = {"Message": "text"} if code is None else {"Code": code, "Message": "text"}
    meta = {"HTTPStatusCode": status, "HTTPHeaders": dict(headers or {})}
    return sdk.ClientError({"Error": error, "ResponseMetadata": meta, **members}, "DescribeSourceServers")


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (sdk.NoCredentialsError(), "NoCredentials", RegionStatus.ERROR),
        (CredentialSourceError("cause", "fix"), "NoCredentials", RegionStatus.ERROR),
        (sdk.SSLError(endpoint_url=URL, error="x"), "CertificateRefused", RegionStatus.ENDPOINT_UNREACHABLE),
        (sdk.ConnectTimeoutError(endpoint_url=URL), "EndpointUnreachable", RegionStatus.ENDPOINT_UNREACHABLE),
        (
            sdk.EndpointConnectionError(endpoint_url=URL, error="x"),
            "EndpointUnreachable",
            RegionStatus.ENDPOINT_UNREACHABLE,
        ),
        (sdk.ProxyConnectionError(proxy_url=URL), "ProxyUnreachable", RegionStatus.ENDPOINT_UNREACHABLE),
        (sdk.ReadTimeoutError(endpoint_url=URL), "ReadTimeout", None),
        (TimeoutError(), "ReadTimeout", None),
        (sdk.ConnectionClosedError(endpoint_url=URL), "ConnectionLost", RegionStatus.ERROR),
        (ResponseParserError("not JSON"), "MalformedResponse", RegionStatus.ERROR),
        (sdk.HTTPClientError(error="x"), "ConnectionLost", RegionStatus.ERROR),
        (client_error("UninitializedAccountException"), "UninitializedAccountException", RegionStatus.NOT_INITIALIZED),
        (client_error("Strange", status=503), "Strange", RegionStatus.ERROR),
        (client_error(None), "Unknown", RegionStatus.ERROR),
    ],
)
def test_what_the_sdk_raises_becomes_one_error(error: Exception, code: str, status: RegionStatus | None) -> None:
    failure = convert(error)
    assert failure.code == code
    assert status is None or failure.error_class.status is status
    assert failure.__suppress_context__  # the SDK's exception may contain request headers


def test_the_fix_of_a_credential_source_replaces_the_one_of_its_class() -> None:
    failure = convert(CredentialSourceError("it has expired", "aws sso login --profile p"))
    assert (failure.message, failure.problem.advice) == ("it has expired", "aws sso login --profile p")


@pytest.mark.parametrize(
    "bug", [KeyError("x"), ValueError("x"), sdk.ParamValidationError(report="Missing required parameter")]
)
def test_a_bug_is_not_converted(bug: Exception) -> None:
    with pytest.raises(type(bug)), translating_sdk_errors(CALL):
        raise bug


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (client_error(headers={"retry-after": "7"}), 7.0),
        (client_error(headers={"retry-after": "1.5"}), 1.5),
        (client_error(retryAfterSeconds="9"), 9.0),
        (client_error(retryAfterSeconds=9), 9.0),
        (client_error(headers={"retry-after": "7"}, retryAfterSeconds="9"), 7.0),
        (client_error(headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, retryAfterSeconds="9"), 9.0),
        (client_error(headers={"retry-after": "-1"}), None),
        (client_error(headers={"retry-after": "soon"}), None),
        (client_error(headers={"retry-after": "99999999999"}), 900.0),
        (client_error(headers={"retry-after": "9" * 400}), 900.0),
        (client_error(headers={"x-amz-retry-after": "99999999999"}), 900.0),
        (client_error(), None),
        pytest.param(client_error(headers={"x-amz-retry-after": "1500"}), 1.5, id="this header counts milliseconds"),
    ],
)
def test_how_long_the_service_wants_us_to_wait(error: Exception, seconds: float | None) -> None:
    assert convert(error).retry_after_s == seconds


def test_an_unknown_server_fault_is_worth_another_try_and_a_quota_is_not() -> None:
    assert convert(client_error("Strange", status=502)).error_class.retry
    assert convert(client_error("Strange", status=429)).error_class.throttle
    assert not convert(client_error("ServiceQuotaExceededException", status=402)).error_class.retry


def test_long_texts_are_cut_to_their_first_line() -> None:
    failure = convert(sdk.HTTPClientError(error="x" * 2000 + "\nAuthorization: secret"))
    assert len(failure.message) <= 500
    assert "secret" not in failure.message


@pytest.mark.parametrize("kind", [sdk.HTTPClientError, sdk.ResponseStreamingError])
def test_what_the_http_client_read_is_not_quoted(kind: type[sdk.HTTPClientError]) -> None:
    error = convert(kind(error=ValueError("Bad status line: b'<SecretAccessKey>secret</SecretAccessKey>'")))
    assert error.code == "ConnectionLost"
    assert error.message == "the response could not be read completely (ValueError)"
