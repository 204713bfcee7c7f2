"""The source of the hub's credentials: its profiles and variables, what it is called, and how to renew it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = [
    "CONTAINER_PATH",
    "CONTAINER_TOKEN",
    "CONTAINER_TOKEN_FILE",
    "CONTAINER_URI",
    "TOKEN_FILE",
    "SourceFacts",
    "log_in_again",
    "source_name",
]

TOKEN_FILE: Final = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - the name of a variable
CONTAINER_TOKEN_FILE: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - the name of a variable
CONTAINER_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the name of a variable
CONTAINER_URI: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
CONTAINER_PATH: Final = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"

_SOURCES: Final = (
    # Member of a profile -> what it is called in messages.
    ("credential_process", "the credential_process of the profile {}"),
    ("sso_session", "the SSO login of the profile {}"),
    ("sso_start_url", "the SSO login of the profile {}"),
    ("login_session", "the login of the profile {}"),
    ("web_identity_token_file", "the web identity of the profile {}"),
    ("role_arn", "the role of the profile {}"),
)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known about the source of the hub's credentials.

    Args:
        profile: name of the AWS profile.
        profiles: all profiles, as the SDK parsed them.
        environ: environment variables.
        config_file: file of the profiles.
    """

    profile: str = "default"
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    config_file: str = "~/.aws/config"

    def chain(self) -> Iterator[str]:
        """Yield the profile, its source_profile, that one's source_profile, and so on."""
        name, seen = self.profile, set[str]()
        while name and name not in seen:
            seen.add(name)
            yield name
            name = str(self.profiles.get(name, {}).get("source_profile", ""))

    def profile_with(self, *members: str) -> str:
        """Return the first profile of the chain that has one of these members; without any, the profile itself."""
        return next(
            (name for name in self.chain() if any(each in self.profiles.get(name, {}) for each in members)),
            self.profile,
        )

    def value(self, member: str) -> str:
        """Return a member of the first profile of the chain that has it; empty if none has."""
        return str(self.profiles.get(self.profile_with(member), {}).get(member, ""))

    def variable_with(self, value: str, *names: str) -> str:
        """Return which of these variables has a value; empty if none has."""
        return next((name for name in names if self.environ.get(name) == value), "")

    @property
    def has_key_variables(self) -> bool:
        """Whether keys come from environment variables, which the SDK prefers to every profile."""
        return bool(self.environ.get("AWS_ACCESS_KEY_ID"))


def source_name(facts: SourceFacts) -> str:
    """Return what the SDK reads the hub's credentials from, in words for a message."""
    if facts.has_key_variables:
        return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    for member, words in _SOURCES:
        name = facts.profile_with(member)
        if member in facts.profiles.get(name, {}):
            return words.format(name)
    if facts.environ.get(TOKEN_FILE):
        return f"the web identity ({TOKEN_FILE})"
    for variable in (CONTAINER_PATH, CONTAINER_URI):
        if facts.environ.get(variable):
            return f"the container's credential endpoint ({variable})"
    if "aws_access_key_id" in facts.profiles.get(facts.profile, {}):
        return f"the profile {facts.profile}"
    return "the metadata service of this host"


def log_in_again(facts: SourceFacts) -> str:
    """Return how to get new credentials from a source whose session has ended; the clock is the second thing to check.

    A wrong clock makes every session look expired, but far more often the session is.
    """
    return f"{_renewal(facts)}; if that does not help, check the clock of this host"


def _renewal(facts: SourceFacts) -> str:
    if facts.has_key_variables:
        return "log in again and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to the new values"
    for members, command in ((("sso_session", "sso_start_url"), "aws sso login"), (("login_session",), "aws login")):
        name = facts.profile_with(*members)
        if any(member in facts.profiles.get(name, {}) for member in members):
            return f"{command} --profile {name}"
    if "aws_session_token" in facts.profiles.get(facts.profile_with("aws_session_token"), {}):
        return f"log in again and renew the keys of the profile {facts.profile_with('aws_session_token')}"
    return f"renew the session of {source_name(facts)}"
