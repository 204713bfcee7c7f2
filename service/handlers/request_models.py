"""Request models of the data-management function: each member's name, type, constraint and description, declared once.

The router checks a request with its model before it opens the app, and the OpenAPI page is made from the same model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from service.accounts.fields import AccountId, ExternalId, RoleArn
from service.accounts.staging import staging_record
from service.context import SyncRequest
from service.errors import RefusalError
from service.handlers.extra_members import reject_mistyped
from service.models import Scope, Shard
from service.protection.decision import TagFilter
from service.sync.coverage.choice import CoverageRequest
from service.sync.engine.shards import MAX_SHARDS

__all__ = [
    "AddStagingRequest",
    "CoverageBody",
    "FinishBody",
    "NewStagingAccount",
    "PlanBody",
    "RemoveStagingRequest",
    "ShardBody",
    "ShardResult",
    "SyncBody",
    "SyncType",
    "TagSyncBody",
    "TagSyncSettingsBody",
    "TargetSyncRequest",
]

_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)
_MAX_INTERVAL_HOURS: Final = 24
_MAX_LISTED: Final = 1000  # instances in a response, which Lambda limits to 6 MiB


class RequestModel(BaseModel):
    """Base of the request models: members are named in camel case and unknown ones are ignored.

    A sync names its members that make it do less in `restricting`: something similar is refused, not ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)
    restricting: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def member_names(cls) -> frozenset[str]:
        """Names of the members, each as callers may write it."""
        aliases = {field.alias or name for name, field in cls.model_fields.items()}
        return frozenset(aliases | set(cls.model_fields if cls.model_config.get("populate_by_name") else ()))

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, has_body: bool = True) -> Self:  # noqa: ARG003 - for those that need a body
        """Check the members of a request.

        Args:
            given: members of body, query string and path.
            has_body: whether the request has a body.

        Raises:
            ValidationError: members are missing or wrong; the router reports each.
            RefusalError: the same, for requests whose callers know other error codes.
        """
        reject_mistyped(given, cls.member_names(), cls.restricting)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            refusal = cls._refusal_of(error)
            if refusal is None:
                raise
            raise refusal from None

    @classmethod
    def _refusal_of(cls, error: ValidationError) -> RefusalError | None:  # noqa: ARG003 - overridden
        """Translate the first error into the one that callers know; None where they know the list of errors."""
        return None


class RequestedScope(RequestModel):
    """One account and region."""

    model_config = ConfigDict(populate_by_name=True)

    account_id: AccountId
    region: str


class SyncBody(RequestModel):
    """Body of a sync. The schedules send none: then all accounts are synced, in their active regions."""

    model_config = ConfigDict(populate_by_name=True)
    restricting: ClassVar = frozenset({"accountIds", "regions", "excludedRegions", "scopes", "dryRun"})

    accounts: Annotated[tuple[AccountId, ...], Field(alias="accountIds")] = ()
    regions: tuple[str, ...] = ()
    excluded_regions: tuple[str, ...] = ()
    full_scan: bool = False
    scopes: tuple[RequestedScope, ...] = ()
    dry_run: bool = False

    def request(self, remaining_s: float | None) -> SyncRequest:
        """The request to the sync. `remaining_s`: seconds until it must have ended, None for no limit."""
        return SyncRequest(
            accounts=self.accounts,
            regions=self.regions,
            excluded_regions=self.excluded_regions,
            full_scan=self.full_scan,
            scopes=tuple(Scope(scope.account_id, scope.region) for scope in self.scopes),
            remaining_s=remaining_s,
            dry_run=self.dry_run,
        )


class CoverageBody(RequestModel):
    """Body of a coverage sync. The schedule sends none: then it looks wherever servers come from."""

    model_config = ConfigDict(populate_by_name=True)
    restricting: ClassVar = frozenset({"accountIds", "regions", "tags"})

    accounts: Annotated[tuple[AccountId, ...], Field(alias="accountIds")] = ()
    regions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @field_validator("tags")
    @classmethod
    def _check_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        TagFilter.parse(tags)
        return tags

    def request(self, remaining_s: float | None) -> CoverageRequest:
        """The request to the sync. `remaining_s`: seconds until it must have ended, None for no limit."""
        return CoverageRequest(self.accounts, self.regions, TagFilter.parse(self.tags), remaining_s, _MAX_LISTED)


class SyncType(StrEnum):
    """A sync that can run in shards."""

    INVENTORY = "inventory"
    STAGING = "staging"
    TAGS = "tags"


class PlanBody(RequestModel):
    """Body of the request to plan the shards of a sync."""

    model_config = ConfigDict(populate_by_name=True)

    job: SyncType
    full_scan: bool = False
    source: Annotated[str, Field(max_length=40)] = "eventbridge"


class ShardBody(RequestModel):
    """Body of the request to run one shard, as the plan contains it."""

    model_config = ConfigDict(populate_by_name=True)

    job: SyncType
    index: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1, le=MAX_SHARDS)]
    started_at: AwareDatetime
    full_scan: bool = False
    lock_owner: Annotated[str | None, Field(max_length=80)] = None
    source: Annotated[str, Field(max_length=40)] = "eventbridge"

    @model_validator(mode="after")
    def _check_index(self) -> Self:
        if self.index >= self.count:
            raise ValueError(f"shard {self.index} of {self.count} does not exist: the first is 0")
        return self

    def request(self, remaining_s: float | None) -> SyncRequest:
        """The request to the sync. `remaining_s`: seconds until it must have ended, None for no limit."""
        shard = Shard(self.index, self.count) if self.count > 1 else None  # a single shard is a complete run
        return SyncRequest(full_scan=self.full_scan, remaining_s=remaining_s, shard=shard, started_at=self.started_at)


class ShardResult(RequestModel):
    """Result of one shard: its report or error body, or the name of the failure that left it without one."""

    index: int
    report: Annotated[Mapping[str, Any], Field(default_factory=dict)]
    failure: str = ""

    @property
    def reason(self) -> str:
        """Why the report has no summary."""
        return self.failure or str(self.report.get("message") or self.report.get("error") or "it gave no report")


class FinishBody(RequestModel):
    """Body of the request to finish a planned sync: its shards and their results, in any order; some may be missing."""

    model_config = ConfigDict(populate_by_name=True)

    shards: Annotated[tuple[ShardBody, ...], Field(min_length=1, max_length=MAX_SHARDS)]
    results: tuple[ShardResult, ...] = ()
    source: Annotated[str, Field(max_length=40)] = "eventbridge"
    lock_owner: Annotated[str | None, Field(max_length=80)] = None


class TagSyncBody(RequestModel):
    """Body of a tag sync. This function sets the members with an underscore when it invokes itself."""

    restricting: ClassVar = frozenset({"accountId", "region", "dryRun"})

    account_id: AccountId | None = None
    region: str | None = None
    assume_role_name: str | None = None
    in_background: Annotated[bool, Field(alias="async")] = False
    dry_run: bool = False
    is_background_run: Annotated[bool, Field(alias="_async_execution")] = False
    source: Annotated[str, Field(alias="_sync_source", max_length=40)] = "manual"
    lock_owner: Annotated[str | None, Field(alias="_lock_owner", max_length=80)] = None

    @property
    def request(self) -> SyncRequest:
        """The request to the sync, without a time limit."""
        return SyncRequest(
            accounts=(self.account_id,) if self.account_id else (),
            regions=(self.region,) if self.region else (),
            dry_run=self.dry_run,
        )


class TagSyncSettingsBody(RequestModel):
    """Settings of the tag sync's schedule."""

    enabled: StrictBool
    interval_hours: Annotated[StrictInt, Field(ge=1, le=_MAX_INTERVAL_HOURS)] | SkipJsonSchema[None] = None

    @classmethod
    def _refusal_of(cls, error: ValidationError) -> RefusalError:
        first = error.errors(include_url=False)[0]
        name, value = str(first["loc"][0]), first["input"]
        if first["type"] == "missing" or (name == "enabled" and value is None):
            return RefusalError("MISSING_PARAMETER", f"{name} is required", details={"parameter": name})
        if first["type"] in {"greater_than_equal", "less_than_equal"}:
            return RefusalError("", f"{name} must be from 1 to {_MAX_INTERVAL_HOURS}, not {value}")
        expected = "boolean" if name == "enabled" else "integer"
        details = {"parameter": name, "value": str(value)[:100], "expected": expected}
        return RefusalError("INVALID_PARAMETER", f"{name} must be a {expected}", details=details)


class AccountsRequest(RequestModel):
    """Base of the requests whose members are account ids."""

    missing_code: ClassVar = "MISSING_FIELD"
    """Error code when an account id is missing; the operations differ in it."""

    @classmethod
    def _refusal_of(cls, error: ValidationError) -> RefusalError | None:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        if first["type"] == "missing" or first["input"] in (None, ""):
            return RefusalError(cls.missing_code, f"{name} is required: 12 digits", details={"parameter": name})
        return RefusalError("INVALID_FORMAT", f"{name} must be 12 digits", details={"parameter": name})


class TargetAccountRequest(AccountsRequest):
    """Request about one target account."""

    target_account_id: AccountId


class TargetSyncRequest(TargetAccountRequest):
    """Request to sync the staging accounts of one target account."""

    missing_code: ClassVar = "INVALID_FORMAT"

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, has_body: bool = True) -> Self:
        """Check the members of a request. Raises RefusalError, also for a dry run, which this sync does not have."""
        if given.get("dryRun"):
            details = {"parameter": "dryRun"}
            message = "the sync of one target account has no dry run. Fix: run sync_staging_accounts with dryRun"
            raise RefusalError("INVALID_PARAMETER", message, details=details)
        return super().parse(given, has_body=has_body)


class RemoveStagingRequest(TargetAccountRequest):
    """Request to remove a staging account from the record of a target account."""

    staging_account_id: AccountId


class NewStagingAccount(RequestModel):
    """A staging account that is to be added; unknown members are stored with it."""

    model_config = ConfigDict(extra="allow")

    account_id: AccountId
    account_name: Annotated[str, Field(min_length=1, max_length=256)]
    external_id: ExternalId
    role_arn: RoleArn | SkipJsonSchema[None] = None

    @model_validator(mode="before")
    @classmethod
    def _check_record(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        # The record's own check names the member that is wrong, and knows that the role must be one of that account.
        staging_record(given, partition="aws", now=_ANY_TIME, added_by="user")
        return {**given, "roleArn": given.get("roleArn") or None}

    def record(self, *, partition: str, now: datetime) -> dict[str, Any]:
        """The record to store."""
        return staging_record(self.model_dump(by_alias=True), partition=partition, now=now, added_by="user")


class AddStagingRequest(TargetAccountRequest):
    """Request to add a staging account to the record of a target account."""

    staging_account: NewStagingAccount

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, has_body: bool = True) -> Self:
        """Check the members of a request, the target account first; raises RefusalError."""
        TargetAccountRequest.parse(given)
        if not has_body:
            raise RefusalError("MISSING_BODY", "a JSON body with stagingAccount is required")
        return super().parse(given)

    @classmethod
    def _refusal_of(cls, error: ValidationError) -> RefusalError | None:
        first = error.errors(include_url=False)[0]
        name, *inner = map(str, first["loc"])  # the staging account: `parse` has checked the target account
        if inner:
            return RefusalError("VALIDATION_ERROR", f"{name}.{'.'.join(inner)}: {first['msg']}")
        if first["type"] == "missing" or first["input"] is None:
            return RefusalError("MISSING_FIELD", f"{name} is required", details={"parameter": name})
        return RefusalError("VALIDATION_ERROR", f"{name} must be an object")
