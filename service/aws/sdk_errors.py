"""Conversion of SDK exceptions to `AwsError`, the only error that this package raises for a failed call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from service.aws.credential_errors import CredentialSourceError
from service.aws.endpoint_fix import endpoint_fix
from service.errors import AwsError, CancellationReason, ConfigurationError
from service.models import Call

__all__ = ["translating_config_errors", "translating_sdk_errors"]

_MAX_RETRY_AFTER_S: Final = 900.0
_SERVER_FAULT: Final = 500  # HTTP statuses from here on are faults of the server

# SDK exception -> our error code. The first match counts, so subclasses come before their bases.
_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (NoCredentialsError, "NoCredentials"),
    (SSLError, "CertificateRefused"),
    (ConnectTimeoutError, "EndpointUnreachable"),
    (ProxyConnectionError, "ProxyUnreachable"),
    (ReadTimeoutError, "ReadTimeout"),
    (ConnectionClosedError, "ConnectionLost"),
    (EndpointConnectionError, "EndpointUnreachable"),
    (ResponseParserError, "MalformedResponse"),
    (BotoCoreError, "ConnectionLost"),
)


@contextmanager
def translating_sdk_errors(call: Call, keys: ReadOnlyCredentials | None = None) -> Iterator[None]:
    """Convert every SDK error raised inside.

    Args:
        call: the call, for the error.
        keys: credentials that signed it; they are redacted from messages, because AWS quotes the session token when a
            signature is wrong.

    Raises:
        AwsError: with the error code of AWS if there is one. An invalid parameter is a bug and is not converted.
        ConfigurationError: one that our transport raised and the SDK wrapped.
    """
    try:
        yield
    except CredentialSourceError as error:
        raise AwsError(
            "NoCredentials", error.message, call, advice=error.advice, facts={"credentials": error.message}
        ) from None
    except ClientError as error:
        raise _from_response(error.response, call, keys) from None
    except TimeoutError:
        raise AwsError("ReadTimeout", "no complete response in time", call) from None
    except ParamValidationError:
        raise
    except (BotoCoreError, ResponseParserError) as error:
        # The SDK wraps what our own transport raises.
        cause = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
        if isinstance(cause, ConfigurationError):
            raise cause from None
        reported = cause if isinstance(cause, ResponseParserError) else error
        code = _proxy_code(error) or next(code for kind, code in _CODES if isinstance(reported, kind))
        raise AwsError(code, _redacted(_first_line(reported), keys), call, advice=endpoint_fix(error)) from None


@contextmanager
def translating_config_errors(
    what: str = "the settings of the AWS SDK (its AWS_* variables, the profile)",
) -> Iterator[None]:
    """Convert errors of the SDK about its own settings, raised inside before any call is sent.

    Args:
        what: the settings, for the message.

    Raises:
        ConfigurationError: with the SDK's text.
    """
    try:
        yield
    except (BotoCoreError, OSError, ValueError) as error:
        raise ConfigurationError(f"fix {what}: {error}") from None


def _from_response(response: Mapping[str, Any], call: Call, keys: ReadOnlyCredentials | None) -> AwsError:
    error = response.get("Error", {})
    meta = response.get("ResponseMetadata", {})
    return AwsError(
        str(error.get("Code") or "Unknown"),
        _redacted(str(error.get("Message") or ""), keys),
        call,
        http_status=int(meta.get("HTTPStatusCode") or 0),
        retry_after_s=_retry_after_s(response, meta.get("HTTPHeaders", {})),
        reasons=tuple(_reason(each, keys) for each in response.get("CancellationReasons") or ()),
    )


def _reason(reason: Mapping[str, Any], keys: ReadOnlyCredentials | None) -> CancellationReason:
    """Return why one write of a transaction was not carried out; AWS spells a write that was fine `None`."""
    code = str(reason.get("Code") or "")
    return CancellationReason("" if code == "None" else code, _redacted(str(reason.get("Message") or ""), keys))


def _retry_after_s(response: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return the Retry-After of a response: from its headers, or the member that DRS has as a string or an integer.

    At most a quarter of an hour, because rate limits live as long as the process and a nonsense value would block it.
    """
    for value, unit_s in (
        (headers.get("retry-after"), 1.0),
        (headers.get("x-amz-retry-after"), 0.001),  # in milliseconds
        (response.get("retryAfterSeconds"), 1.0),
    ):
        if value is not None and re.fullmatch(r"\d+(\.\d+)?", str(value)):
            return min(_MAX_RETRY_AFTER_S, float(value) * unit_s)
    return None


def _proxy_status(error: Exception) -> int | None:
    """Return the HTTP status with which a proxy refused to connect; None if it is no such error."""
    response = error.kwargs.get("error") if isinstance(error, ProxyConnectionError) else None
    status = getattr(response, "status", None)
    return status if isinstance(status, int) else None


def _proxy_code(error: Exception) -> str:
    """Return our code of a proxy's response; empty if there is none."""
    status = _proxy_status(error)
    if status is None:
        return ""
    return "ProxyRefused" if status < _SERVER_FAULT else "ProxyFailed"


def _redacted(message: str, keys: ReadOnlyCredentials | None) -> str:
    for secret in (keys.token, keys.secret_key, keys.access_key) if keys else ():
        if secret:
            message = message.replace(secret, "[redacted]")
    return message


def _first_line(error: Exception) -> str:
    if isinstance(error, BotoCoreError) and type(error) in {HTTPClientError, ResponseStreamingError}:
        # aiohttp's text quotes the received bytes, which can be a response of STS with its keys.
        return f"the response could not be read completely ({type(error.kwargs.get('error')).__name__})"
    if (status := _proxy_status(error)) is not None and isinstance(error, ProxyConnectionError):
        return f"the proxy {error.kwargs.get('proxy_url')} answered with HTTP status {status}"
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
