"""Declaration of a fleet that is drawn from a seed, and the quotas of DRS that every fleet keeps."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from service.sandbox.faults import RegionName, Strict

__all__ = ["MAX_REPLICATING_SERVERS", "MAX_SERVERS", "Draw"]

MAX_SERVERS: Final = 4000
"""DRS's quota of source servers per account and region."""
MAX_REPLICATING_SERVERS: Final = 300
"""DRS's quota of servers that replicate in an account and region."""
_MAX_DRAWN: Final = 100_000


class Draw(Strict):
    """Accounts, regions and servers drawn from a seed: the same members always give the same ones."""

    servers: int = Field(ge=0, le=_MAX_DRAWN, description="source servers in total, extended ones included")
    seed: int = 1
    accounts: int | None = Field(None, ge=1, le=1000, description="target accounts; default: one per 1,000 servers")
    regions: tuple[RegionName, ...] = Field(
        (
            "us-east-1",
            "us-west-2",
            "eu-west-1",
            "eu-central-1",
            "us-east-2",
            "ap-southeast-2",
            "ca-central-1",
            "sa-east-1",
        ),
        min_length=1,
        description="regions in which servers can be recovered; their origins are in another one of these",
    )
