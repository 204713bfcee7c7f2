"""Why a source of the hub's credentials failed, and what to type or repair. Pure; no text contains a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    HTTPClientError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    LoginError,
    LoginInsufficientPermissions,
    LoginTokenLoadError,
    MissingDependencyException,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)
from botocore.exceptions import ConnectionError as SdkConnectionError

from service.aws.credential_source import (
    CONTAINER_PATH,
    CONTAINER_TOKEN,
    CONTAINER_TOKEN_FILE,
    CONTAINER_URI,
    TOKEN_FILE,
    SourceFacts,
    log_in_again,
    source_name,
)
from service.error_codes import classify
from service.errors import DrsSyncError

__all__ = ["CredentialSourceError", "explain", "late"]


class CredentialSourceError(DrsSyncError):
    """The hub's credentials could not be read: the cause, and the fix as `advice`. Neither contains a secret."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


_EXPIRED_CODES: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "UnauthorizedException"})
_MAX_NAMES: Final = 10  # profiles that one message lists


def late(facts: SourceFacts, time_limit_s: float) -> CredentialSourceError:
    """Return the error of a source that did not answer in time."""
    return CredentialSourceError(
        f"{source_name(facts)} gave no credentials within {time_limit_s:g} s",
        "check that this host reaches it; if it is slow, raise CREDENTIAL_TIMEOUT_SECONDS",
    )


def explain(error: Exception, facts: SourceFacts) -> CredentialSourceError | None:
    """Return the cause and the fix of what the SDK raised while it read the hub's credentials.

    None for a call that may succeed when it is repeated, such as an endpoint of STS that could not be reached: its own
    error says what happened.
    """
    if isinstance(error, CredentialSourceError):
        return error
    for kind, explained in _EXPLAINED:
        if isinstance(error, kind):
            return explained(error, facts)
    return None


def _not_found(_: Exception, facts: SourceFacts) -> CredentialSourceError:
    checked = f"; the profile {facts.profile} has none" if facts.profile in facts.profiles else ""
    return CredentialSourceError(
        f"this process has no AWS credentials: no source of the AWS SDK has any{checked}",
        "give it credentials of the hub account: a profile (AWS_PROFILE), a role, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY",
    )


def _no_profile(_: Exception, facts: SourceFacts) -> CredentialSourceError:
    known = ", ".join(sorted(facts.profiles)[:_MAX_NAMES]) or "none"
    return CredentialSourceError(
        f"there is no AWS profile {facts.profile}; {facts.config_file} and the credentials file have: {known}",
        "correct AWS_PROFILE, or add the profile with `aws configure --profile " + facts.profile + "`",
    )


def _partial(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    missing, provider = _detail(error, "cred_var"), _detail(error, "provider")
    if provider == "env":
        variable = missing if missing.isupper() else "AWS_SECRET_ACCESS_KEY"
        fix = f"set {variable}, or unset AWS_ACCESS_KEY_ID to use a profile or a role"
        return CredentialSourceError(f"AWS_ACCESS_KEY_ID is set, and {variable} is not", fix)
    return CredentialSourceError(
        f"the profile {facts.profile} is incomplete: it lacks {missing}",
        f"add {missing} to the profile in {facts.config_file} or the credentials file",
    )


def _loop(_: Exception, facts: SourceFacts) -> CredentialSourceError:
    return CredentialSourceError(
        f"the source_profile of the profile {facts.profile} leads back to itself: {' -> '.join(facts.chain())}",
        f"in {facts.config_file}, let the last source_profile name a profile that has credentials of its own",
    )


def _bad_profile(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    return CredentialSourceError(_line(error), f"correct the profile {facts.profile} in {facts.config_file}")


def _bad_file(error: Exception, _: SourceFacts) -> CredentialSourceError:
    path = _detail(error, "path")
    return CredentialSourceError(f"the AWS configuration file {path} cannot be parsed", f"correct the syntax of {path}")


def _mfa(_: Exception, facts: SourceFacts) -> CredentialSourceError:
    return CredentialSourceError(
        f"the profile {facts.profile_with('mfa_serial')} requires an MFA code ({facts.value('mfa_serial')}), and "
        "drs-sync asks for none",
        f'let the AWS CLI ask: eval "$(aws configure export-credentials --profile {facts.profile} --format env)", then'
        " run this again",
    )


def _sso(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    name = facts.profile_with("sso_session", "sso_start_url")
    return CredentialSourceError(
        f"the SSO login of the profile {name} has expired, or there was none: {_line(error)}", log_in_again(facts)
    )


def _no_crt(_: Exception, facts: SourceFacts) -> CredentialSourceError:
    name = facts.profile_with("login_session")
    return CredentialSourceError(
        f"the profile {name} uses `aws login`, which needs the package awscrt, and it is not installed",
        "pip install 'drs-sync[login]'; if that is no choice: eval "
        f'"$(aws configure export-credentials --profile {name} --format env)"',
    )


def _login(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    name = facts.profile_with("login_session")
    if isinstance(error, LoginInsufficientPermissions):
        cause, fix = "may not be renewed", "allow signin:CreateOAuth2Token to its user or role"
        return CredentialSourceError(f"the login of the profile {name} {cause}: {_line(error)}", fix)
    cause = "cannot be used" if isinstance(error, LoginTokenLoadError) else "has expired"
    return CredentialSourceError(f"the login of the profile {name} {cause}: {_line(error)}", log_in_again(facts))


def _refused(error: Exception, facts: SourceFacts) -> CredentialSourceError | None:
    """Explain a response of STS, SSO or the sign-in service to a call that the SDK made for credentials."""
    assert isinstance(error, ClientError)  # noqa: S101 - for the type checker
    answer = error.response.get("Error", {})
    code, text = str(answer.get("Code") or "Unknown"), str(answer.get("Message") or "")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    error_class = classify(code, message=text, http_status=status)
    if error_class.throttle or (error_class.retry and not error_class.expired):
        return None
    message = f"{source_name(facts)} gave no credentials: {error.operation_name}: {code}: {text}".rstrip(": ")
    if code in _EXPIRED_CODES or error_class.expired:
        return CredentialSourceError(message, log_in_again(facts))
    fixes = {
        "AssumeRole": "check the role_arn, external_id and source_profile of the profile, the trust policy of the role,"
        " and that the source may call sts:AssumeRole",
        "AssumeRoleWithWebIdentity": "check the role (role_arn, AWS_ROLE_ARN), and that its trust policy names the "
        "issuer and the subject of the token",
        "GetRoleCredentials": "check sso_account_id and sso_role_name of the profile, and that the user is assigned to"
        " both",
    }
    return CredentialSourceError(message, fixes.get(error.operation_name, log_in_again(facts)))


def _unreadable(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    assert isinstance(error, OSError)  # noqa: S101 - for the type checker
    path, why = str(error.filename or ""), error.strerror or type(error).__name__
    if not path:
        return _unexpected(error, facts)
    variable = facts.variable_with(path, TOKEN_FILE, CONTAINER_TOKEN_FILE)
    if facts.value("web_identity_token_file") == path:
        variable = f"web_identity_token_file of the profile {facts.profile_with('web_identity_token_file')}"
    named = f"the token file {path} ({variable})" if variable else f"the file {path}"
    wrong = f"correct {variable}" if variable else "correct its path"
    return CredentialSourceError(
        f"{named} cannot be read: {why}", f"create the file and let this process read it, or {wrong}"
    )


def _from_endpoint(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    provider = _detail(error, "provider")
    if provider != "container-role":
        return CredentialSourceError(_line(error), f"correct {source_name(facts)}, then run this again")
    variable = CONTAINER_PATH if facts.environ.get(CONTAINER_PATH) else CONTAINER_URI
    return CredentialSourceError(
        f"the credentials endpoint of the container ({variable}) gave no credentials: {_detail(error, 'error_msg')}"[
            :500
        ],
        f"check that the container or pod has a role, that its agent runs, and {variable}",
    )


def _bad_value(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    text = str(error)  # of the SDK; any other text may quote what was read, and is not shown
    if text.startswith("Unsupported host '"):
        return CredentialSourceError(
            f"the host of {CONTAINER_URI} is not allowed: {text}",
            f"set {CONTAINER_URI} to https, to a loopback address or to one of these hosts",
        )
    if text.startswith("Auth token value is not"):
        path = facts.environ.get(CONTAINER_TOKEN_FILE)
        named = f"the token in {path} ({CONTAINER_TOKEN_FILE})" if path else CONTAINER_TOKEN
        return CredentialSourceError(f"{named} has more than one line", "remove the line break from it")
    return _unexpected(error, facts)


def _still_expired(_: Exception, facts: SourceFacts) -> CredentialSourceError:
    return CredentialSourceError(f"{source_name(facts)} gave credentials that are expired", log_in_again(facts))


def _other(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    return CredentialSourceError(f"{source_name(facts)} gave no credentials: {_line(error)}", _check(facts))


def _unexpected(error: Exception, facts: SourceFacts) -> CredentialSourceError:
    return CredentialSourceError(
        f"{source_name(facts)} gave no usable credentials ({type(error).__name__})", _check(facts)
    )


def _check(facts: SourceFacts) -> str:
    option = f" --profile {facts.profile}" if facts.profile in facts.profiles else ""
    return f"run `aws sts get-caller-identity{option}`, and correct what it names"


def _may_succeed_later(_: Exception, __: SourceFacts) -> None:
    """Explain nothing: an endpoint could not be reached, and the SDK's error says which."""


_Explained = Callable[[Exception, SourceFacts], CredentialSourceError | None]
# The first match counts, so subclasses come before their bases.
_EXPLAINED: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], _Explained], ...]] = (
    ((SdkConnectionError, HTTPClientError), _may_succeed_later),  # some are an OSError, too
    (NoCredentialsError, _not_found),
    (ProfileNotFound, _no_profile),
    (PartialCredentialsError, _partial),
    (InfiniteLoopConfigError, _loop),
    ((InvalidConfigError, ConfigNotFound, UnknownCredentialError), _bad_profile),
    (ConfigParseError, _bad_file),
    (RefreshWithMFAUnsupportedError, _mfa),
    ((SSOError, TokenRetrievalError), _sso),
    (MissingDependencyException, _no_crt),
    (LoginError, _login),
    (CredentialRetrievalError, _from_endpoint),
    (ClientError, _refused),
    (OSError, _unreadable),
    (ValueError, _bad_value),
    (RuntimeError, _still_expired),  # botocore raises it for credentials that are expired right after a refresh
    ((LookupError, TypeError, AttributeError), _unexpected),
    (BotoCoreError, _other),
)


def _detail(error: Exception, name: str) -> str:
    """Return a detail of an SDK error; empty if it has none of that name."""
    details: Mapping[str, object] = getattr(error, "kwargs", {})
    return str(details.get(name) or "")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
