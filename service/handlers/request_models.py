"""What callers send to the functions that write, judged before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.accounts.staging import staging_record
from service.context import SyncRequest
from service.errors import RefusalError
from service.handlers.router import Params
from service.models import ACCOUNT_ID_PATTERN, Scope, Shard, is_account_id
from service.sync.engine.shards import MAX_SHARDS

__all__ = [
    "AccountId",
    "FinishBody",
    "Job",
    "PlanBody",
    "ShardBody",
    "SyncBody",
    "account_param",
    "staging_account_param",
]

AccountId = Annotated[str, StringConstraints(pattern=f"^{ACCOUNT_ID_PATTERN}$")]


class RequestedScope(BaseModel):
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
    scopes: tuple[RequestedScope, ...] = ()
    dry_run: Annotated[bool, Field(alias="dryRun")] = False

    def request(self, remaining_s: float | None) -> SyncRequest:
        """Give the same as the engine takes it."""
        return SyncRequest(
            accounts=self.accounts,
            regions=self.regions,
            excluded_regions=self.excluded_regions,
            full_scan=self.full_scan,
            scopes=tuple(Scope(scope.account_id, scope.region) for scope in self.scopes),
            remaining_s=remaining_s,
            dry_run=self.dry_run,
        )


class Job(StrEnum):
    """A sync that can be parted."""

    INVENTORY = "inventory"
    STAGING = "staging"
    TAGS = "tags"


class PlanBody(BaseModel):
    """Body of a plan: what to sync."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    job: Job
    full_scan: Annotated[bool, Field(alias="fullScan")] = False
    source: Annotated[str, Field(max_length=40)] = "eventbridge"


class ShardBody(BaseModel):
    """Body of one shard's run, as the plan has made it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    job: Job
    index: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1, le=MAX_SHARDS)]
    started_at: Annotated[AwareDatetime, Field(alias="startedAt")]
    full_scan: Annotated[bool, Field(alias="fullScan")] = False
    lock_owner: Annotated[str | None, Field(alias="lockOwner", max_length=80)] = None
    source: Annotated[str, Field(max_length=40)] = "eventbridge"

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.index >= self.count:
            raise ValueError(f"shard {self.index} of {self.count}: the first is 0")
        return self

    def request(self, remaining_s: float | None) -> SyncRequest:
        """Give the same as the engine takes it."""
        shard = Shard(self.index, self.count) if self.count > 1 else None  # a single one is a whole run
        return SyncRequest(full_scan=self.full_scan, remaining_s=remaining_s, shard=shard, started_at=self.started_at)


class ShardResult(BaseModel):
    """What came of one shard: its answer, be it an error's, or the name of the failure that ended it without one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    index: int
    report: Annotated[Mapping[str, Any], Field(default_factory=dict)]
    failure: str = ""

    @property
    def reason(self) -> str:
        """Say why there is no summary."""
        return self.failure or str(self.report.get("message") or self.report.get("error") or "it gave no report")


class FinishBody(BaseModel):
    """Body of the end of a planned sync: the plan's shards, and what came of them, in any order and with gaps."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    shards: Annotated[tuple[ShardBody, ...], Field(min_length=1, max_length=MAX_SHARDS)]
    results: tuple[ShardResult, ...] = ()
    source: Annotated[str, Field(max_length=40)] = "eventbridge"
    lock_owner: Annotated[str | None, Field(alias="lockOwner", max_length=80)] = None


def account_param(params: Params, name: str, *, missing: str = "MISSING_FIELD") -> str:
    """Give an account id among the members.

    Args:
        params: what was sent.
        name: the member.
        missing: error code when it is not there; the operations differ in it.

    Raises:
        RefusalError: it is not there, or has not 12 digits.
    """
    value = params.members.get(name)
    if value is None or value == "":
        raise RefusalError(missing, f"{name} is required: 12 digits", details={"parameter": name})
    if not is_account_id(value):
        raise RefusalError("INVALID_FORMAT", f"{name} must be 12 digits", details={"parameter": name})
    return value


def staging_account_param(params: Params, *, partition: str, now: datetime) -> dict[str, Any]:
    """Give the record of the staging account to be added.

    Raises:
        RefusalError: there is none, or a member of it is missing or wrong.
    """
    if not params.has_body:
        raise RefusalError("MISSING_BODY", "a JSON body with stagingAccount is required")
    given = params.members.get("stagingAccount")
    if given is None:
        raise RefusalError("MISSING_FIELD", "stagingAccount is required", details={"parameter": "stagingAccount"})
    if not isinstance(given, Mapping):
        raise RefusalError("VALIDATION_ERROR", "stagingAccount must be an object")
    return staging_record(given, partition=partition, now=now, added_by="user")
