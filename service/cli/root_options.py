"""Options of `drs-sync` itself that may come before or after the command: `--profile` and `--no-color`."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Final

__all__ = ["apply_root_options", "hoist_root_options"]

_FLAG: Final = "--no-color"
_PROFILE: Final = "--profile"
_END: Final = "--"  # what follows is no option, or belongs to a command that the sandbox runs

# Credentials in the environment come before a profile that is named there, so a named profile removes them,
# as `aws --profile` ignores them.
_BEFORE_A_PROFILE: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_DEFAULT_PROFILE",
)


def hoist_root_options(arguments: Sequence[str]) -> list[str]:
    """Move the options of `drs-sync` itself before the command, where they are parsed. Pure.

    Nothing after `--` is moved. A `--profile` without a value comes last, so that it is reported as such; a profile
    whose name begins with `-` is written `--profile=-name`.
    """
    end = arguments.index(_END) if _END in arguments else len(arguments)
    hoisted, rest, words = list[str](), list[str](), iter(arguments[:end])
    for word in words:
        if word == _FLAG or word.startswith(f"{_PROFILE}="):
            hoisted.append(word)
        elif word == _PROFILE:
            value = next(words, None)
            if value is None or value.startswith("-"):  # the next option, such as in `status --profile -o table`
                return [*hoisted, _PROFILE]
            hoisted += [_PROFILE, value]
        else:
            rest.append(word)
    return [*hoisted, *rest, *arguments[end:]]


def apply_root_options(environment: MutableMapping[str, str], *, profile: str | None, no_color: bool) -> None:
    """Set the variables that the AWS SDK and the terminal library read; empty values change nothing."""
    if profile:
        for name in _BEFORE_A_PROFILE:
            environment.pop(name, None)
        environment["AWS_PROFILE"] = profile
    if no_color:
        environment["NO_COLOR"] = "1"
