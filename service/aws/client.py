"""Every call to AWS goes through here: signed for the right account, paced, tried again where that helps, counted."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import anyio
from aiobotocore.config import AioConfig
from botocore import xform_name
from botocore.credentials import ReadOnlyCredentials

from service.aws.call_counter import count_call, count_throttle
from service.aws.call_guard import check_call_guard
from service.aws.credentials import AssumedRole, HubSession, Source, acting_as
from service.aws.http import SharedTransport
from service.aws.operations import MANAGES, Operations, reject_undeclared
from service.aws.rate_limit import RateLimiter, RateSettings, start_rates
from service.aws.retry import RetryBudget, backoff_s, max_attempts, max_wait_s
from service.aws.sdk_errors import reject_non_object_body, translating_config_errors, translating_sdk_errors
from service.errors import AwsError, ConfigurationError
from service.models import Call, Now, RegionStatus
from service.settings import Settings

__all__ = ["AccountSession", "AwsClient", "Identity", "RoleToAssume"]

# One try of one call may take this long in all; the SDK's own read time-out only bounds the gap between two bytes.
_CALL_CEILING_S: Final = 30.0
_ROLE_DURATION_S: Final = 900  # the least STS gives; more fails where a role's maximum is lower
_ROLE_SESSION_NAME: Final = "drs-orchestration-sync"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the hub's own credentials are."""

    account_id: str
    partition: str


@dataclass(frozen=True, slots=True)
class RoleToAssume:
    """How to reach another account."""

    account_id: str
    role_arn: str
    external_id: str


class AwsClient:
    """One SDK session, one client per (service, region), one pool of connections, for as long as it is open.

    Open it once per event loop: `async with AwsDoor(settings, now) as door`. The SDK session refuses every operation
    that is not among `allowed` (see `service.aws.operations`).
    """

    def __init__(
        self, settings: Settings, now: Now, *, allowed: Operations = MANAGES, rng: random.Random | None = None
    ) -> None:
        self._settings = settings
        self._now = now
        self._random = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._session = HubSession()
        self._session.register("before-parse", reject_non_object_body)
        # At the last moment before a request is signed: whatever code asked for it, and however.
        self._session.register("before-call", reject_undeclared(allowed))
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[str, str], Any] = {}
        self._building = anyio.Lock()
        self._start_rates = start_rates(
            RateSettings(
                settings.drs_calls_per_second,
                settings.drs_burst,
                settings.drs_calls_at_once,
                settings.drs_most_calls_per_second,
            )
        )
        self._rate_limiters: dict[tuple[str, str, str], RateLimiter] = {}
        self._in_flight = anyio.CapacityLimiter(settings.calls_at_once)
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)
        self._roles: dict[RoleToAssume, AssumedRole] = {}
        self._identity: Identity | None = None

    async def __aenter__(self) -> Self:
        transport = await self._stack.enter_async_context(
            SharedTransport(max_connections=self._settings.calls_at_once + 8)
        )
        self._config = AioConfig(
            http_session_cls=transport.http_session_class(),
            connect_timeout=self._settings.connect_timeout_seconds,
            read_timeout=self._settings.read_timeout_seconds,
            max_pool_connections=self._settings.calls_at_once + 8,
            retries={"total_max_attempts": 1, "mode": "standard"},  # tries are made here, in one layer
            account_id_endpoint_mode="disabled",  # a client serves many accounts
            tcp_keepalive=True,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._clients.clear()
        await self._stack.aclose()

    @property
    def hub_region(self) -> str:
        """The region of the tables, as the SDK resolves it.

        Raises:
            ConfigurationError: none is set, or the profile that may tell it cannot be read.
        """
        with translating_config_errors():
            region = self._session.get_config_variable("region")
        if not region:
            raise ConfigurationError("set AWS_REGION (or a profile with a region) to the region that holds the tables")
        return str(region)

    def hub(self) -> AccountSession:
        """Give a caller with the hub's own credentials."""
        return AccountSession(self, self._identity.account_id if self._identity else "hub", self._session.own)

    async def identity(self) -> Identity:
        """Tell which account the hub is; asked once while the door is open.

        Raises:
            AwsError: the credentials are missing or refused.
        """
        if self._identity is None:
            answer = await self.hub().call("sts", "GetCallerIdentity", {}, region=self.hub_region)
            try:
                self._identity = Identity(answer["Account"], answer["Arn"].split(":")[1])
            except LookupError:
                raise self._incomplete("GetCallerIdentity", "hub") from None
        return self._identity

    async def account(self, role: RoleToAssume) -> AccountSession:
        """Give a caller for another account; the role is assumed now, so that a refusal shows here and once.

        Raises:
            AwsError: the role could not be assumed, or is not of the name that is set.
        """
        allowed = self._settings.cross_account_role_name
        if allowed and role.role_arn.rpartition("/")[2] != allowed:
            message = f"{role.role_arn} is not named {allowed}, as CROSS_ACCOUNT_ROLE_NAME wants: it was not asked for"
            raise AwsError("RoleNotAllowed", message, Call("sts", "AssumeRole", role.account_id, self.hub_region))
        source = self._roles.get(role)
        if source is None:
            source = self._roles[role] = AssumedRole(lambda: self._assume(role), self._now)
        await source()
        return AccountSession(self, role.account_id, source)

    async def _assume(self, role: RoleToAssume) -> tuple[ReadOnlyCredentials, datetime]:
        answer = await self.hub().call(
            "sts",
            "AssumeRole",
            {
                "RoleArn": role.role_arn,
                "RoleSessionName": _ROLE_SESSION_NAME,
                "ExternalId": role.external_id,
                "DurationSeconds": _ROLE_DURATION_S,
            },
            region=self.hub_region,
        )
        try:
            found = answer["Credentials"]
            keys = ReadOnlyCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], None)
            until: datetime = found["Expiration"]
            return keys, until if until.tzinfo else until.replace(tzinfo=UTC)  # STS counts in UTC
        except LookupError:
            raise self._incomplete("AssumeRole", role.account_id) from None

    def _incomplete(self, operation: str, account_id: str) -> AwsError:
        call = Call("sts", operation, account_id, self.hub_region)
        return AwsError("MalformedResponse", "the answer lacks what was asked for", call)

    async def _client(self, service: str, region: str) -> Any:  # noqa: ANN401 - SDK clients have no static type
        key = (service, region)
        if key not in self._clients:
            async with self._building:
                if key not in self._clients:
                    with translating_config_errors():
                        self._clients[key] = await self._stack.enter_async_context(
                            self._session.create_client(service, region_name=region, config=self._config)
                        )
        return self._clients[key]

    def _rate_limiter(self, call: Call) -> RateLimiter:
        key = (call.service, call.account_id, call.region)
        rate_limiter = self._rate_limiters.get(key)
        if rate_limiter is None:
            rate_limiter = self._rate_limiters[key] = RateLimiter(self._start_rates[call.service])
        return rate_limiter

    async def send(self, source: Source, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call, with retries. Use `AccountSession.call`.

        Raises:
            AwsError: the last try's failure.
            ConfigurationError: the SDK's settings do not work.
        """
        rate_limiter = self._rate_limiter(call)
        attempt = 0
        while True:
            attempt += 1
            sent_at = await rate_limiter.wait(call)
            with translating_sdk_errors(call):
                keys = await source()
            try:
                answer = await self._attempt(keys, rate_limiter, call, params)
            except AwsError as failure:
                if failure.error_class.expired and isinstance(source, AssumedRole):
                    source.expire(keys.access_key)
                await self._wait_before_retry(failure, rate_limiter, attempt=attempt, sent_at=sent_at)
            else:
                rate_limiter.rate.succeeded()
                self._budgets[call.service].succeeded()
                return answer

    async def _attempt(
        self, keys: ReadOnlyCredentials, rate_limiter: RateLimiter, call: Call, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        client = await self._client(call.service, call.region)
        async with rate_limiter.slots, self._in_flight:
            check_call_guard()
            count_call(call.service, call.operation)
            with acting_as(keys), translating_sdk_errors(call, keys), anyio.fail_after(_CALL_CEILING_S):
                answer: dict[str, Any] = await getattr(client, xform_name(call.operation))(**params)
                return answer

    async def _wait_before_retry(
        self, failure: AwsError, rate_limiter: RateLimiter, *, attempt: int, sent_at: float
    ) -> None:
        """Wait until another attempt makes sense; raise the failure when none does."""
        error_class, now, budget = failure.error_class, anyio.current_time(), self._budgets[failure.call.service]
        if error_class.throttle:
            count_throttle()
            rate_limiter.rate.throttled(now, sent_at=sent_at, retry_after_s=failure.retry_after_s)
        if not error_class.retry and failure.http_status:
            budget.succeeded()  # a plain answer, such as that DRS is not in use: the service is well
        if attempt >= max_attempts(error_class):
            raise failure
        remaining = anyio.current_effective_deadline() - now
        wait = budget.spend(now, longest_wait_s=min(max_wait_s(error_class), remaining))
        pause = backoff_s(attempt, jitter=self._random.random(), retry_after_s=failure.retry_after_s)
        # A wait that outlasts the scope's deadline would replace the true cause by a time-out.
        if wait is None or wait + pause >= remaining:
            raise failure
        await anyio.sleep(wait + pause)


@dataclass(frozen=True, slots=True)
class AccountSession:
    """The right to call AWS as one account."""

    aws_client: AwsClient
    account_id: str
    source: Source

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        """Make a call; `operation` and `params` are spelled as in the AWS API.

        Raises:
            AwsError: it did not succeed within its tries.
        """
        return await self.aws_client.send(self.source, Call(service, operation, self.account_id, region), params)
