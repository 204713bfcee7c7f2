"""Types of the request members that describe an account: each constraint is declared once, for checks and OpenAPI."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

__all__ = ["AccountId", "ExternalId", "RoleArn"]

AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$", description="account id, 12 digits")]
ExternalId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$", description="external id that the role requires")
]
RoleArn = Annotated[str, Field(description="ARN of a role of that account; default: DRSOrchestrationRole")]
