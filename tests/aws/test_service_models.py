"""Tests of the SDK's descriptions of services: cut down to what is declared, and whole in what is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import OperationModel, ServiceModel, Shape

from service.aws.operations import (
    DOCTOR_OPERATIONS,
    READ_OPERATIONS,
    READ_WRITE_OPERATIONS,
    SIGN_IN_OPERATIONS,
    TABLE_OPERATIONS,
)
from service.aws.service_models import DeclaredModels, cut_down, declared_operations, models_in

ALL_TABLES = (READ_OPERATIONS, READ_WRITE_OPERATIONS, DOCTOR_OPERATIONS, TABLE_OPERATIONS, SIGN_IN_OPERATIONS)
SERVICES = sorted({service for table in ALL_TABLES for service in table})


@pytest.fixture(scope="module")
def loader() -> DeclaredModels:
    return models_in(None)


def _members(shape: Shape | None, seen: set[str]) -> dict[str, Any]:
    """Return everything that a shape says, those of its members too."""
    if shape is None or shape.name in seen:
        return {}
    seen.add(shape.name)
    inner = [*getattr(shape, "members", {}).values()]
    inner += [getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)]
    found = {shape.name: (shape.type_name, shape.metadata, shape.serialization)}
    for each in inner:
        found |= _members(each, seen)
    return found


def _described(operation: OperationModel) -> Any:
    shapes = [operation.input_shape, operation.output_shape, *operation.error_shapes]
    return operation.http, operation.auth, [_members(shape, set()) for shape in shapes]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_declared_is_described_as_before_and_nothing_else_is(service: str, loader: DeclaredModels) -> None:
    declared = {operation for table in ALL_TABLES for operation in table.get(service, ())}
    whole = botocore.session.get_session().get_service_model(service)
    kept = ServiceModel(loader.load_service_model(service, "service-2"), service)
    assert set(kept.operation_names) == declared == declared_operations(service)
    for name in declared:
        assert _described(kept.operation_model(name)) == _described(whole.operation_model(name))
    assert {shape.name for shape in kept.error_shapes} == {shape.name for shape in whole.error_shapes}
    assert kept.metadata == whole.metadata


def test_other_services_and_other_files_are_whole(loader: DeclaredModels) -> None:
    whole = botocore.session.get_session().get_component("data_loader")
    for name in ("sns", "ec2"):
        for kind in ("service-2", "paginators-1", "endpoint-rule-set-1"):
            if (name, kind) != ("ec2", "service-2"):
                assert loader.load_service_model(name, kind) == whole.load_service_model(name, kind)
    assert loader.load_data("partitions") == whole.load_data("partitions")


def test_descriptions_in_the_users_folder_are_found_and_cut_down_too(tmp_path: Path) -> None:
    folder = tmp_path / "drs" / "2099-01-01"
    folder.mkdir(parents=True)
    own: dict[str, Any] = {
        "metadata": {},
        "operations": {"DescribeSourceServers": {}, "DeleteSourceServer": {}},
        "shapes": {},
    }
    (folder / "service-2.json").write_text(json.dumps(own))
    model = models_in(str(tmp_path)).load_service_model("drs", "service-2")
    assert model == {**own, "operations": {"DescribeSourceServers": {}}}


def test_shapes_that_contain_themselves_are_followed_once() -> None:
    shapes = {
        "In": {"type": "structure", "members": {"next": {"shape": "In"}, "all": {"shape": "List"}}},
        "List": {"type": "list", "member": {"shape": "Map"}},
        "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "In"}},
        "Text": {"type": "string"},
        "Other": {"type": "string"},
        "Denied": {"type": "structure", "members": {"shape": {"shape": "Reason"}}, "exception": True},
        "Reason": {"type": "string"},
    }
    model = {"operations": {"A": {"input": {"shape": "In"}}, "B": {"input": {"shape": "Other"}}}, "shapes": shapes}
    cut = cut_down(model, frozenset("A"))
    assert set(cut["operations"]) == {"A"}
    assert set(cut["shapes"]) == set(shapes) - {"Other"}
