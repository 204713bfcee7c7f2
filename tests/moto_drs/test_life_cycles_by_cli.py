"""The life cycles of recovery and failback once more, through the AWS CLI in place of boto3.

The tests are those of `test_failback`; only the clients that they get are others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.aws_cli import CliClient, cli_environment
from tests.moto_drs.conftest import REGION, Client, Keys
from tests.moto_drs.test_failback import (
    test_a_disconnected_instance_cannot_be_reversed,
    test_a_failback_can_be_configured_and_stopped,
    test_a_failback_launched_too_early_fails_in_its_job,
    test_an_instance_that_vanishes_does_not_stop_its_failback,
    test_failback_cycle_across_regions,
    test_failback_of_an_extended_server_repoints_its_staging_server,
    test_on_premises_failback_uses_the_failback_client,
    test_reversal_across_zones_repoints_the_same_server,
    test_the_source_region_must_be_initialised,
)

__all__ = [
    "test_a_disconnected_instance_cannot_be_reversed",
    "test_a_failback_can_be_configured_and_stopped",
    "test_a_failback_launched_too_early_fails_in_its_job",
    "test_an_instance_that_vanishes_does_not_stop_its_failback",
    "test_failback_cycle_across_regions",
    "test_failback_of_an_extended_server_repoints_its_staging_server",
    "test_on_premises_failback_uses_the_failback_client",
    "test_reversal_across_zones_repoints_the_same_server",
    "test_the_source_region_must_be_initialised",
]

pytestmark = pytest.mark.deep


@pytest.fixture
def connect(endpoint: str, keys: Keys, tmp_path: Path) -> Iterator[Client]:
    with cli_environment(endpoint, tmp_path):
        yield lambda account_id, region=REGION: CliClient(keys(account_id), region)


@pytest.fixture
def client(connect: Client, account: str, backend: DRSBackend) -> Any:
    assert backend.account_id == account
    return connect(account)
