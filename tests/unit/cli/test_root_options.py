"""Options of `drs-sync` itself, before or after the command."""

from __future__ import annotations

import pytest

from service.cli.root_options import apply_root_options, hoist_root_options


@pytest.mark.parametrize(
    ("arguments", "hoisted"),
    [
        ("servers --state STALLED", "servers --state STALLED"),
        ("--profile prod servers", "--profile prod servers"),
        ("servers --profile prod --no-color", "--profile prod --no-color servers"),
        ("accounts list --profile=prod -o json", "--profile=prod accounts list -o json"),
        ("servers --state STALLED --profile", "--profile"),
        ("status --profile -o table", "--profile"),
        ("status --profile=-x -o table", "--profile=-x status -o table"),
        ("sandbox --no-color -- aws --profile other ls", "--no-color sandbox -- aws --profile other ls"),
        ("", ""),
    ],
)
def test_they_are_moved_before_the_command_and_never_out_of_another_command(arguments: str, hoisted: str) -> None:
    assert hoist_root_options(arguments.split()) == hoisted.split()


def test_a_named_profile_comes_before_credentials_of_the_environment() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "A", "AWS_SESSION_TOKEN": "T", "AWS_DEFAULT_PROFILE": "x", "AWS_REGION": "r"}
    apply_root_options(environment, profile="prod", no_color=False)
    assert environment == {"AWS_REGION": "r", "AWS_PROFILE": "prod"}


def test_without_the_options_the_environment_is_left_alone() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "A"}
    apply_root_options(environment, profile=None, no_color=False)
    assert environment == {"AWS_ACCESS_KEY_ID": "A"}
    apply_root_options(environment, profile=None, no_color=True)
    assert environment == {"AWS_ACCESS_KEY_ID": "A", "NO_COLOR": "1"}
