"""The AWS CLI with the interface of boto3's clients, in this process: 70 processes would take two minutes."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import boto3
from botocore import xform_name

from tests.moto_drs.conftest import REGION

__all__ = ["CliClient", "cli_environment"]

_ERROR: Final = re.compile(r"An error occurred \((\w+)\) when calling the (\w+) operation[^:]*: (.*)", re.DOTALL)


@contextmanager
def cli_environment(endpoint: str, folder: Path) -> Iterator[None]:
    """Let commands of this process go to the endpoint, without the settings of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }
    with patch.dict(os.environ, {**own, **variables}, clear=True):
        yield


class CliClient:
    """DRS of one account and region: `client.describe_jobs()` runs `aws drs describe-jobs`, which reads all pages.

    An error of the service is raised as boto3 does, from what the command prints, which has no further members.
    """

    def __init__(self, keys: Mapping[str, str], region: str = REGION) -> None:
        from awscli import clidriver  # noqa: PLC0415 - the import changes the environment

        self._environment = {**{name.upper(): value for name, value in keys.items()}, "AWS_DEFAULT_REGION": region}
        self._environment["AWS_DATA_PATH"] = str(Path(clidriver.__file__).parent / "data")
        self.exceptions = boto3.client("drs", region_name=region).exceptions
        with patch.dict(os.environ, self._environment):
            self._driver = clidriver.create_clidriver()

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        return lambda **params: self.call(operation, params)

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Run the command of an operation, under its name of the model or of boto3; return its document."""
        command = xform_name(operation, "-").replace("_", "-")
        out, err = io.StringIO(), io.StringIO()
        with patch.dict(os.environ, self._environment), redirect_stdout(out), redirect_stderr(err):
            code = self._driver.main(["drs", command, "--cli-input-json", json.dumps(params), "--output", "json"])
        if code == 0:
            return dict(json.loads(out.getvalue() or "{}"))
        reported = _ERROR.search(err.getvalue())
        assert reported, f"{command} ended with {code}: {err.getvalue()}"
        error_code, name, message = reported.groups()
        raise self.exceptions.from_code(error_code)({"Error": {"Code": error_code, "Message": message.strip()}}, name)
