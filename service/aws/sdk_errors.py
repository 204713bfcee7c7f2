"""Turns what the SDK raises into `AwsError`, the one error that leaves this room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidConfigError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    RefreshWithMFAUnsupportedError,
    ResponseStreamingError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.model import OperationModel
from botocore.parsers import ResponseParserError

from service.errors import AwsError, ConfigurationError
from service.models import Call

__all__ = ["reject_non_object_body", "translating_config_errors", "translating_sdk_errors"]

_LONGEST_PAUSE_S: Final = 900.0

# SDK exception -> our code. The first match wins, so subclasses stand before their bases.
_CODES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (NoCredentialsError, "NoCredentials"),
    (PartialCredentialsError, "NoCredentials"),
    (CredentialRetrievalError, "NoCredentials"),
    (ProfileNotFound, "NoCredentials"),
    (InvalidConfigError, "NoCredentials"),
    (ConfigNotFound, "NoCredentials"),
    (ConfigParseError, "NoCredentials"),
    (RefreshWithMFAUnsupportedError, "NoCredentials"),
    (SSOError, "NoCredentials"),
    (TokenRetrievalError, "NoCredentials"),
    (SSLError, "CertificateRefused"),
    (ConnectTimeoutError, "EndpointUnreachable"),
    (ProxyConnectionError, "EndpointUnreachable"),
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
        call: what was called.
        keys: what it was signed with. AWS answers a wrong signature with all it was made over, the session token too:
            no message keeps any of them.

    Raises:
        AwsError: with the code of AWS where there is one. A wrong parameter is a bug and is not converted.
        ConfigurationError: the SDK wrapped one of ours.
    """
    try:
        yield
    except ClientError as error:
        raise _from_answer(error.response, call, keys) from None
    except TimeoutError:
        raise AwsError("ReadTimeout", "no complete answer in time", call) from None
    except ParamValidationError:
        raise
    except (BotoCoreError, ResponseParserError) as error:
        # What our own transport raises comes wrapped.
        cause = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
        if isinstance(cause, ConfigurationError):
            raise cause from None
        told = cause if isinstance(cause, ResponseParserError) else error
        code = next(code for kind, code in _CODES if isinstance(told, kind))
        raise AwsError(code, _without(_first_line(told), keys), call) from None


@contextmanager
def translating_config_errors(
    what: str = "the settings of the AWS SDK (its AWS_* variables, the profile)",
) -> Iterator[None]:
    """Convert what goes wrong inside, before anything is asked of AWS, where settings that the SDK reads do not work.

    Raises:
        ConfigurationError: with the SDK's own words.
    """
    try:
        yield
    except (BotoCoreError, OSError, ValueError) as error:
        raise ConfigurationError(f"mend {what}: {error}") from None


def reject_non_object_body(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse a success whose JSON body is none, before the SDK parses it; to be registered for `before-parse`.

    The SDK takes a body that is not JSON for an answer without members, which reads like an empty page, or like a tag
    that is set. Looking at both ends tells a page that was cut, empty or written by a proxy, without parsing it twice.

    Raises:
        ResponseParserError: the body is not an object.
    """
    if response_dict["status_code"] >= 300:  # noqa: PLR2004 - errors are parsed by their header
        return
    if operation_model.has_streaming_output:  # the body is the caller's, not a document of the service
        return
    if "json" not in operation_model.service_model.resolved_protocol:
        return
    members = operation_model.output_shape.members if operation_model.output_shape else ()
    body = response_dict["body"].strip()
    if not members and not body:  # there is nothing to tell
        return
    if not (body.startswith(b"{") and body.endswith(b"}")):
        raise ResponseParserError(f"the answer of {len(body)} bytes is no JSON object")


def _from_answer(response: Mapping[str, Any], call: Call, keys: ReadOnlyCredentials | None) -> AwsError:
    error = response.get("Error", {})
    meta = response.get("ResponseMetadata", {})
    return AwsError(
        str(error.get("Code") or "Unknown"),
        _without(str(error.get("Message") or ""), keys),
        call,
        http_status=int(meta.get("HTTPStatusCode") or 0),
        retry_after_s=_retry_after_s(response, meta.get("HTTPHeaders", {})),
    )


def _retry_after_s(response: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Read the headers or the modelled member; DRS types it as a string on one error and as an int on another.

    Never more than a quarter of an hour: a pace is kept for as long as the process lives, and so would be nonsense.
    """
    for value, unit_s in (
        (headers.get("retry-after"), 1.0),
        (headers.get("x-amz-retry-after"), 0.001),  # this one counts milliseconds
        (response.get("retryAfterSeconds"), 1.0),
    ):
        if value is not None and re.fullmatch(r"\d+(\.\d+)?", str(value)):
            return min(_LONGEST_PAUSE_S, float(value) * unit_s)
    return None


def _without(message: str, keys: ReadOnlyCredentials | None) -> str:
    for secret in (keys.token, keys.secret_key, keys.access_key) if keys else ():
        if secret:
            message = message.replace(secret, "[redacted]")
    return message


def _first_line(error: Exception) -> str:
    if isinstance(error, BotoCoreError) and type(error) in {HTTPClientError, ResponseStreamingError}:
        # aiohttp's own words quote what came: where a length is wrong, a whole session with its keys.
        return f"the answer could not be read to its end ({type(error.kwargs.get('error')).__name__})"
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
