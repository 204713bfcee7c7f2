"""The SDK's descriptions of services, cut down to the operations that this package declares.

The SDK makes a class for each client, with a method for every operation of its service, and a client for each region.
EC2 has 807 operations, of which one is called: its description takes 14 MB, what is left of it 0.5 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from botocore.loaders import Loader, create_loader, instance_cache

from service.aws.operations import (
    DOCTOR_OPERATIONS,
    READ_WRITE_OPERATIONS,
    SIGN_IN_OPERATIONS,
    TABLE_OPERATIONS,
    Operations,
)

__all__ = ["DeclaredModels", "cut_down", "declared_operations", "models_in"]

_TABLES: Final[tuple[Operations, ...]] = (
    READ_WRITE_OPERATIONS,
    DOCTOR_OPERATIONS,
    TABLE_OPERATIONS,
    SIGN_IN_OPERATIONS,
)
"""The tables of operations that are no part of another one."""


class DeclaredModels(Loader):  # type: ignore[misc] # the SDK has no types
    """Loads service descriptions without the operations that no process declares."""

    @instance_cache  # type: ignore[untyped-decorator] # the same; it replaces the description that the base class keeps
    def load_data_with_path(self, name: str) -> tuple[Any, Any]:
        """Load a file of the SDK's data by name, such as `drs/2020-02-26/service-2`; return it and its path."""
        data, path = super().load_data_with_path(name)
        *folders, kind = Path(name).parts
        declared = declared_operations(folders[0]) if folders else frozenset()
        return (cut_down(data, declared) if declared and kind == "service-2" else data), path


def models_in(data_path: str | None) -> DeclaredModels:
    """Return the loader for the SDK's own data and that in AWS_DATA_PATH."""
    return DeclaredModels(extra_search_paths=create_loader(data_path).search_paths, include_default_search_paths=False)


def declared_operations(service: str) -> frozenset[str]:
    """Return the operations of a service that some process declares."""
    return frozenset[str]().union(*(table.get(service, frozenset()) for table in _TABLES))


def cut_down(model: Mapping[str, Any], operations: frozenset[str]) -> dict[str, Any]:
    """Return a service's description with some of its operations, the shapes that they use, and every error."""
    kept = {name: each for name, each in model["operations"].items() if name in operations}
    shapes: Mapping[str, Any] = model["shapes"]
    errors = [name for name, shape in shapes.items() if shape.get("exception")]
    used, left = set(errors), [*errors, *_shapes_in(kept)]
    while left:
        name = left.pop()
        new = {each for each in _shapes_in(shapes[name]) if each not in used}
        used |= {name, *new}
        left += new
    return {**model, "operations": kept, "shapes": {name: shapes[name] for name in shapes if name in used}}


def _shapes_in(part: object) -> Iterator[str]:
    """Return the names of the shapes that a part of a description refers to."""
    if isinstance(part, dict):
        name = part.get("shape")
        if isinstance(name, str):
            yield name
        for each in part.values():
            yield from _shapes_in(each)
    elif isinstance(part, list):
        for each in part:
            yield from _shapes_in(each)
