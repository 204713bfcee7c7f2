"""Models of the faults a sandbox can inject: latency, throttling, denials and failing calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from service.sandbox.aws_protocols import Call

__all__ = ["AccountId", "Deny", "Fail", "Faults", "RegionName", "ScopeThrottle", "Strict", "Throttle"]

_ACCOUNT_ID_DIGITS: Final = 12


def _account_id(value: object) -> object:
    """Accept an unquoted YAML number as account id, unless it has lost leading zeros."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and len(text) == _ACCOUNT_ID_DIGITS and text.isascii() and text.isdigit():
        return text
    raise ValueError('an account id has 12 digits. Fix: write it in quotes, as "012345678901"')


AccountId = Annotated[str, BeforeValidator(_account_id)]
RegionName = Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$")]


class Strict(BaseModel):
    """Frozen model that rejects unknown members."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ScopeThrottle(Strict):
    """Rate limit of DRS in one scope (account and region)."""

    account_id: AccountId
    region: RegionName
    requests_per_second: float = Field(gt=0)
    burst: int = Field(10, ge=1)


class Throttle(Strict):
    """Token bucket per scope, for DRS calls only. Without a rate, only the listed scopes are throttled."""

    requests_per_second: float | None = Field(None, gt=0)
    burst: int = Field(10, ge=1)
    scopes: tuple[ScopeThrottle, ...] = ()

    def rate_of(self, account_id: str, region: str) -> tuple[float, int] | None:
        """Return (calls per second, burst) of a scope, or None when the scope has no rate limit."""
        for scope in self.scopes:
            if (scope.account_id, scope.region) == (account_id, region):
                return scope.requests_per_second, scope.burst
        return None if self.requests_per_second is None else (self.requests_per_second, self.burst)


class Deny(Strict):
    """Permanent denial of some operations or a whole service, in one region or in all.

    A denied PutItem, UpdateItem, DeleteItem or ConditionCheckItem also denies a transaction that does it, as in IAM.
    """

    account_id: AccountId
    region: RegionName | None = None
    service: str = "drs"
    operations: tuple[str, ...] | None = None
    table: str | None = Field(None, description="DynamoDB only: the table; default: all tables")
    message: str | None = None
    scp: bool = Field(default=False, description="the error message names a service control policy")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_table(self.service, self.table)
        return self

    def matches(self, account_id: str, call: Call) -> bool:
        """Whether this denial applies to a call of an account."""
        return (
            (account_id, call.service) == (self.account_id, self.service)
            and self.region in {None, call.region}
            and (self.operations is None or not {call.operation, *call.iam_actions()}.isdisjoint(self.operations))
            and (self.table is None or self.table in call.tables())
        )


class Fail(Strict):
    """Failure of some calls: from the n-th matching call on, or of one page of a paginated operation.

    Page numbers follow the chain of pagination tokens: parallel listings are counted separately, and a retried page
    keeps its number.
    """

    account_id: AccountId | None = None
    region: RegionName | None = None
    service: str = "drs"
    operation: str
    table: str | None = Field(None, description="DynamoDB only: the table; default: all tables")
    from_call: int = Field(1, ge=1)
    page: int | None = Field(None, ge=1)
    times: int | None = Field(1, ge=1, description="number of calls that fail; null: every call")
    error: str = "InternalServerException"
    status: int = Field(500, ge=400, le=599)
    message: str = "An internal error occurred while processing the request."

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.page is not None and self.from_call != 1:
            raise ValueError("give page or from_call, not both")
        _check_table(self.service, self.table)
        return self

    def matches(self, account_id: str, call: Call) -> bool:
        """Whether this failure applies to a call of an account."""
        return (
            (call.service, call.operation) == (self.service, self.operation)
            and self.account_id in {None, account_id}
            and self.region in {None, call.region}
            and (self.table is None or self.table in call.tables())
        )


def _check_table(service: str, table: str | None) -> None:
    if table is not None and service != "dynamodb":
        raise ValueError(f"{service} has no tables. Fix: give service: dynamodb, or leave out table")


def _throttle(value: object) -> object:
    return {} if value is None else value


class Faults(Strict):
    """All faults and latencies of a sandbox."""

    latency_ms: Mapping[
        Literal["drs", "ec2", "sts", "dynamodb", "lambda", "events", "default"], Annotated[float, Field(ge=0)]
    ] = {}
    throttle: Annotated[Throttle, BeforeValidator(_throttle)] = Throttle()
    deny: tuple[Deny, ...] = ()
    fail: tuple[Fail, ...] = ()
    session_lifetime_s: float | None = Field(
        None, ge=0, description="assumed-role credentials expire after this, even if their own expiration is later"
    )

    def latency_s(self, service: str) -> float:
        """Return the latency in seconds added to each call to a service."""
        latency: Mapping[Any, float] = self.latency_ms
        return latency.get(service, latency.get("default", 0.0)) / 1000
