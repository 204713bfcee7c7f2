"""The environment of a process that uses the sandbox: nothing of the user's own leads it elsewhere."""

from __future__ import annotations

from typing import Final

from service.client_environment import leave_aws, merged, overriding_names

SANDBOX: Final = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "PROJECT_NAME": "it's $HOME"}


def test_nothing_of_the_own_environment_leads_a_command_out_of_the_sandbox() -> None:
    own = {"PATH": "/bin", "AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_DRS": "https://real"}
    own |= {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "PROJECT_NAME": "mine"}
    assert merged(own, SANDBOX) == {"PATH": "/bin", **SANDBOX}


def test_what_leads_elsewhere_is_named_and_removed_and_the_rest_stays() -> None:
    environment = {"AWS_DEFAULT_PROFILE": "prod", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1"}
    environment["AWS_ENDPOINT_URL_SOURCE"] = "https://real"
    assert overriding_names(environment) == ["AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL_SOURCE"]
    leave_aws(environment)
    assert environment == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1"}
