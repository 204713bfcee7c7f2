"""The estate as the pages show it: the worst account comes first."""

from __future__ import annotations

from service.pages.estate_page import grid_of
from tests.support.estate import document, scope


def test_the_grid_begins_with_the_account_that_has_the_worst_posture() -> None:
    scopes = [
        {**scope(region, 5, worst, 60), "accountId": account}
        for account, region, worst in (
            ("111100000001", "us-east-1", "ready"),
            ("111100000002", "us-east-1", "ready"),
            ("111100000002", "us-west-2", "stalled"),
            ("111100000003", "us-west-2", None),
            ("111100000000", "us-west-2", "ready"),
        )
    ]
    grid = grid_of(document(scopes=scopes, scopesTotal=7, scopesListed=5))
    assert [row.account[-1] for row in grid.rows] == ["2", "3", "0", "1"]
    assert (grid.regions, grid.not_listed) == (("us-east-1", "us-west-2"), 2)
