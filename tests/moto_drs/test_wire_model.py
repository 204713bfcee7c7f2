"""Tests of `wire_model`: violations it must report, and deviations of the model it must ignore."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from service.sandbox.moto_drs.exceptions import ConflictException
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.wire_model import WireError, shape_errors


@pytest.fixture(scope="module")
def model(session: boto3.Session) -> Any:
    return session.client("drs", aws_access_key_id="a", aws_secret_access_key="b").meta.service_model


@pytest.mark.parametrize(
    ("shape", "value", "error"),
    [
        ("SourceServer", {"colour": "red"}, ".colour is unknown"),
        ("SourceServer", {"arn": None}, ".arn is NoneType, not string"),
        ("SourceServer", {"sourceServerID": "s-123"}, "does not match"),
        ("SourceServer", {"replicationDirection": "SIDEWAYS"}, "is none of"),
        ("SourceServer", {"tags": {"k" * 257: "v"}}, "has 257, allowed is 0 to 256"),
        ("SourceServer", {"tags": {"k": 1}}, "is int, not string"),
        ("Job", {"status": "STARTED"}, ".jobID is missing"),
        ("RecoveryLifeCycle", {"apiCallDateTime": "yesterday"}, "'yesterday' is no timestamp"),
        ("Disk", {"bytes": True}, "is bool, not long"),
        ("RecoveryInstanceDisk", {"ebsVolumeID": "vol-1"}, "does not match"),
    ],
)
def test_finds_violations_of_the_model(model: Any, shape: str, value: Any, error: str) -> None:
    errors = list(shape_errors(value, model.shape_for(shape), ""))
    assert any(error in each for each in errors), errors


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("RecoveryInstanceDisk", {"ebsVolumeID": "vol-0123456789abcdef0"}),
        ("RecoveryInstanceDataReplicationInfo", {"lagDuration": "P0D"}),
        ("SourceServer", {}),
    ],
)
def test_accepts_real_data(model: Any, shape: str, value: Any) -> None:
    assert list(shape_errors(value, model.shape_for(shape), "")) == []


def test_an_invalid_response_raises_in_the_client(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"colour": "red"})
    with pytest.raises(WireError, match="colour is unknown"):
        client.describe_source_servers()
    backend.fail_next(ConflictException("no listing models this", "Job", "drsjob-1"))
    with pytest.raises(WireError, match="not modelled"):
        client.describe_source_servers()
