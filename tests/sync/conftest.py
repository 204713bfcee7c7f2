"""A small sandbox for tests of the choice of regions: few regions, so that a run over all of them is quick."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.sandbox import EngineSandbox, Names, new_account_id

SMALL_ACTIVE: Final = "us-west-2"
SMALL_REGIONS: Final = ("ap-south-1", "eu-west-1", "sa-east-1", SMALL_ACTIVE)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Start a sandbox: A has two servers in one of four regions, and a staging account that waits there; B has none."""
    names = Names(*(new_account_id() for _ in range(4)))
    members = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {"account_id": names.a, "staging_accounts": [names.apps], "regions": {SMALL_ACTIVE: {"servers": 2}}},
            {"account_id": names.b, "regions": {"eu-west-1": {"servers": 0}}},
            {"account_id": names.apps, "kind": "staging", "regions": {SMALL_ACTIVE: {"servers": 1}}},
        ],
    }
    with EngineSandbox(members, names, monkeypatch) as sandbox:
        sandbox.set(DRS_REGIONS=" ".join(SMALL_REGIONS))
        yield sandbox
