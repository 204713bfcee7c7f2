"""Causes and fixes of credential sources, for errors that are slow or hard to cause with the real SDK."""

from __future__ import annotations

import pytest
from botocore import exceptions as sdk

from service.aws.credential_errors import CredentialSourceError, explain
from service.aws.credential_source import SourceFacts, source_name

URL = "https://sts.us-east-1.amazonaws.com/"
SECRET = "what-the-file-contains"


def _refusal(code: str, status: int = 400) -> sdk.ClientError:
    response = {"Error": {"Code": code, "Message": "text"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return sdk.ClientError(response, "AssumeRole")


@pytest.mark.parametrize(
    "error",
    [
        _refusal("Throttling"),
        _refusal("InternalFailure", 500),
        _refusal("Strange", 503),
        sdk.EndpointConnectionError(endpoint_url=URL, error="x"),
        sdk.ConnectTimeoutError(endpoint_url=URL),
        sdk.SSLError(endpoint_url=URL, error="x"),
        sdk.HTTPClientError(error="x"),
        ZeroDivisionError(),
    ],
)
def test_what_may_succeed_later_or_is_a_bug_is_left_as_it_is(error: Exception) -> None:
    assert explain(error, SourceFacts()) is None


@pytest.mark.parametrize(
    ("error", "environ", "cause", "fix"),
    [
        (
            sdk.CredentialRetrievalError(provider="container-role", error_msg="Received non 200 response 404"),
            {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"},
            "the credentials endpoint of the container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) gave no credentials: "
            "Received non 200 response 404",
            "check that the container or pod has a role",
        ),
        (
            sdk.CredentialRetrievalError(provider="sso", error_msg="no token"),
            {"AWS_ACCESS_KEY_ID": "x"},
            "Error when retrieving credentials from sso: no token",
            "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then run this again",
        ),
        (
            ValueError(SECRET),
            {"AWS_ACCESS_KEY_ID": "x"},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY gave no usable credentials (ValueError)",
            "run `aws sts",
        ),
        (
            RuntimeError("refreshed credentials are still expired"),
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": URL},
            "the container's credential endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI) gave credentials",
            "renew the session of the container's credential endpoint",
        ),
        (
            sdk.ConfigParseError(path="/etc/aws", error=SECRET),
            {},
            "the AWS configuration file /etc/aws cannot be parsed",
            "correct the syntax of /etc/aws",
        ),
        (
            PermissionError(13, "Permission denied", "/etc/aws"),
            {},
            "the file /etc/aws cannot be read: Permission denied",
            "create the file and let this process read it",
        ),
        (
            OSError(SECRET),
            {},
            "the metadata service of this host gave no usable credentials (OSError)",
            "run `aws sts",
        ),
        (
            KeyError(SECRET),
            {},
            "the metadata service of this host gave no usable credentials (KeyError)",
            "run `aws sts",
        ),
        (
            sdk.LoginInsufficientPermissions(),
            {},
            "the login of the profile default may not be renewed",
            "allow signin:CreateOAuth2Token",
        ),
        (
            sdk.InvalidIMDSEndpointError(endpoint="x"),
            {},
            "the metadata service of this host gave no credentials: Invalid endpoint EC2",
            "run `aws sts get-caller-identity`",
        ),
    ],
)
def test_cause_and_fix(error: Exception, environ: dict[str, str], cause: str, fix: str) -> None:
    explained = explain(error, SourceFacts(environ=environ))
    assert isinstance(explained, CredentialSourceError)
    assert explained.message.startswith(cause)
    assert explained.advice.startswith(fix)
    assert SECRET not in explained.message + explained.advice


def test_a_circle_of_profiles_ends() -> None:
    profiles = {"p": {"source_profile": "q"}, "q": {"source_profile": "p"}}
    assert list(SourceFacts("p", profiles).chain()) == ["p", "q"]


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        (SourceFacts("p", {"p": {"aws_access_key_id": "x"}}), "the profile p"),
        (SourceFacts("p", {"p": {}}), "the metadata service of this host"),
    ],
)
def test_a_source_is_named(facts: SourceFacts, named: str) -> None:
    assert source_name(facts) == named
