"""The patch that offers DRS to moto: it applies to the pinned moto, and moto's own checks pass on the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.moto_upstream.patch import CheckError, apply_patch, build_patch, check

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def patch(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_patch(tmp_path_factory.mktemp("patch") / "build")


def test_the_patch_passes_motos_own_checks(patch: str, tmp_path: Path) -> None:
    apply_patch(patch, tmp_path)
    check(tmp_path)


def test_a_fault_in_the_patch_is_noticed(patch: str, tmp_path: Path) -> None:
    apply_patch(patch.replace('"StopReplication",', '"StopReplications",'), tmp_path)
    with pytest.raises(CheckError, match="test_every_operation_has_a_path"):
        check(tmp_path)
