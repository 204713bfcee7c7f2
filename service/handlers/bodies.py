"""What callers send to the functions that write, judged before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.accounts.staging import staging_record
from service.errors import RefusalError
from service.handlers.front import Asked
from service.models import Place
from service.survey import Request

__all__ = ["AccountId", "SyncBody", "account_asked", "staging_account_asked"]

AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


class Scope(BaseModel):
    """One account and region."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    account_id: Annotated[AccountId, Field(alias="accountId")]
    region: str


class SyncBody(BaseModel):
    """Body of a sync; the schedules send none, which means: all accounts, and where there is something to see."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    accounts: Annotated[tuple[AccountId, ...], Field(alias="accountIds")] = ()
    regions: tuple[str, ...] = ()
    excluded_regions: Annotated[tuple[str, ...], Field(alias="excludedRegions")] = ()
    full_scan: Annotated[bool, Field(alias="fullScan")] = False
    scopes: tuple[Scope, ...] = ()
    dry_run: Annotated[bool, Field(alias="dryRun")] = False

    def request(self, budget_s: float | None) -> Request:
        """Give the same as the engine takes it."""
        return Request(
            accounts=self.accounts,
            regions=self.regions,
            excluded_regions=self.excluded_regions,
            full_scan=self.full_scan,
            places=tuple(Place(scope.account_id, scope.region) for scope in self.scopes),
            budget_s=budget_s,
            dry_run=self.dry_run,
        )


def account_asked(asked: Asked, name: str, *, missing: str = "MISSING_FIELD") -> str:
    """Give an account id among the members.

    Args:
        asked: what was sent.
        name: the member.
        missing: error code when it is not there; the operations differ in it.

    Raises:
        RefusalError: it is not there, or has not 12 digits.
    """
    value = asked.members.get(name)
    if value is None or value == "":
        raise RefusalError(missing, f"{name} is required: 12 digits", details={"parameter": name})
    if not isinstance(value, str) or not (len(value) == 12 and value.isascii() and value.isdigit()):  # noqa: PLR2004
        raise RefusalError("INVALID_FORMAT", f"{name} must be 12 digits", details={"parameter": name})
    return value


def staging_account_asked(asked: Asked, *, partition: str, now: datetime) -> dict[str, Any]:
    """Give the record of the staging account to be added.

    Raises:
        RefusalError: there is none, or a member of it is missing or wrong.
    """
    if not asked.has_body:
        raise RefusalError("MISSING_BODY", "a JSON body with stagingAccount is required")
    given = asked.members.get("stagingAccount")
    if given is None:
        raise RefusalError("MISSING_FIELD", "stagingAccount is required", details={"parameter": "stagingAccount"})
    if not isinstance(given, Mapping):
        raise RefusalError("VALIDATION_ERROR", "stagingAccount must be an object")
    return staging_record(given, partition=partition, now=now, added_by="user")
