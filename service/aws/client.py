"""AWS client: signs each call for its account, limits its rate, retries with backoff and a retry budget, counts it.

Concurrency is limited twice: a semaphore over all calls, and one per (service, account, region) beside its rate limit.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
from service.aws.circuit import Admission, CircuitBreakers
from service.aws.credentials import AssumedRole, CredentialSource, HubSession, signing_as
from service.aws.http import HttpSessionClass, SharedTransport
from service.aws.operations import (
    READ_WRITE_OPERATIONS,
    Operations,
    Purpose,
    UndeclaredOperationError,
    reject_undeclared,
    session_policy,
)
from service.aws.rate_limit import RateLimiter, RateSettings, start_rates
from service.aws.recently_used import RecentlyUsed
from service.aws.request_bodies import write_bodies_directly
from service.aws.response_check import reject_incomplete, reject_malformed_body
from service.aws.retry import RetryBudget, backoff_s, max_attempts, max_wait_s
from service.aws.roles import RoleToAssume, require_enterable
from service.aws.sdk_errors import translating_config_errors, translating_sdk_errors
from service.errors import AwsError, ConfigurationError
from service.models import Call, Now, Scope, is_account_id
from service.settings import Settings, remove_blank_aws_variables

__all__ = ["AccountSession", "AwsClient", "Identity"]

# Total time of one attempt; the SDK's read timeout only limits the gap between two bytes.
_ATTEMPT_TIMEOUT_S: Final = 30.0
_ROLE_DURATION_S: Final = 900  # the minimum of STS: a longer duration fails if a role's maximum is lower
_ARN_PARTS: Final = 6
_ROLE_SESSION_NAME: Final = "drs-orchestration-sync"


@dataclass(frozen=True, slots=True)
class Identity:
    """The AWS identity of the hub's own credentials."""

    account_id: str
    partition: str


class AwsClient:
    """One SDK session with one SDK client per (service, region) and one connection pool.

    Open it once per event loop: `async with AwsClient(settings, now) as aws_client`.

    Args:
        settings: rates, concurrency and timeouts.
        now: wall clock, for the expiry of credentials.
        allowed: operations that may be called; any other is refused before it is signed.
        rng: source of the jitter in backoff.
        http_session_class: HTTP session of the SDK clients; None: that of `SharedTransport`.
    """

    def __init__(
        self,
        settings: Settings,
        now: Now,
        *,
        allowed: Operations = READ_WRITE_OPERATIONS,
        rng: random.Random | None = None,
        http_session_class: HttpSessionClass | None = None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._random = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._http_session_class = http_session_class
        remove_blank_aws_variables()
        self._session = HubSession(settings)
        self._session.register("before-parse", reject_malformed_body)
        self._session.register("after-call", reject_incomplete)
        # The last hook before signing, so it covers every call, however it was made.
        self._session.register("before-call", reject_undeclared(allowed))
        self._policies = {purpose: session_policy(allowed, purpose) for purpose in Purpose}
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
        self._rate_limiters: RecentlyUsed[tuple[str, str, str], RateLimiter] = RecentlyUsed()
        self._in_flight = anyio.CapacityLimiter(settings.calls_at_once)
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)
        self._circuits = CircuitBreakers()
        self._roles: RecentlyUsed[tuple[str, ...], AssumedRole] = RecentlyUsed()
        self._identity: Identity | None = None

    async def __aenter__(self) -> Self:
        transport = SharedTransport(max_connections=self._settings.calls_at_once + 8)
        await self._stack.enter_async_context(transport)
        self._config = AioConfig(
            http_session_cls=self._http_session_class or transport.http_session_class(),
            connect_timeout=self._settings.connect_timeout_seconds,
            read_timeout=self._settings.read_timeout_seconds,
            max_pool_connections=self._settings.calls_at_once + 8,
            retries={"total_max_attempts": 1, "mode": "standard"},  # `send` is the only place that retries
            account_id_endpoint_mode="disabled",  # one SDK client serves many accounts
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
            ConfigurationError: no region is set, or the AWS profile cannot be read.
        """
        if not (region := self.configured_region):
            raise ConfigurationError("set AWS_REGION (or a profile with a region) to the region that holds the tables")
        return region

    @property
    def configured_region(self) -> str:
        """The same, empty when no region is set. Raises ConfigurationError when the AWS profile cannot be read."""
        with translating_config_errors():
            return str(self._session.get_config_variable("region") or "")

    def hub(self) -> AccountSession:
        """Return a session that calls AWS with the hub's own credentials."""
        return AccountSession(
            self, self._identity.account_id if self._identity else "hub", self._session.hub_credentials
        )

    async def identity(self) -> Identity:
        """Return the account and partition of the hub; STS is called once, the result is cached.

        Raises:
            AwsError: the credentials are missing or rejected.
        """
        if self._identity is None:
            response = await self.hub().call("sts", "GetCallerIdentity", {}, region=self.hub_region)
            account_id, parts = response.get("Account"), str(response.get("Arn")).split(":")
            if not is_account_id(account_id) or len(parts) < _ARN_PARTS or not parts[1]:
                raise self._malformed("GetCallerIdentity", "hub", "Account or a valid Arn")
            self._identity = Identity(account_id, parts[1])
        return self._identity

    async def account(self, role: RoleToAssume) -> AccountSession:
        """Return a session for another account; the role is assumed now, so a denial is raised here and only once.

        This is the one place where an account is entered, so the rules about that are checked here.

        Raises:
            AwsError: the role could not be assumed, or may not be: its name is not CROSS_ACCOUNT_ROLE_NAME, or nobody
                who may has named the account. Then nothing is sent.
        """
        require_enterable(role, self._settings, hub_region=self.hub_region)
        policy = self._policies[role.purpose]
        key = (role.account_id, role.role_arn, role.external_id, policy or "")
        source = self._roles.get(key, lambda: AssumedRole(lambda: self._assume(role, policy), self._now))
        await source()
        return AccountSession(self, role.account_id, source)

    async def _assume(self, role: RoleToAssume, policy: str | None) -> tuple[ReadOnlyCredentials, datetime]:
        hub = self.hub()
        call = Call("sts", "AssumeRole", hub.account_id, self.hub_region)
        params = {
            "RoleArn": role.role_arn,
            "RoleSessionName": _ROLE_SESSION_NAME,
            "ExternalId": role.external_id,
            "DurationSeconds": _ROLE_DURATION_S,
            **({"Policy": policy} if policy else {}),
        }
        # Signed by the hub, but on behalf of the account: a role that always fails takes no retry of another one.
        response = await self.send(hub.source, call, params, on_behalf_of=role.account_id)
        values = response.get("Credentials", {})
        texts = [values.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
        expires_at = values.get("Expiration")
        if not all(texts) or not isinstance(expires_at, datetime):
            raise self._malformed("AssumeRole", role.account_id, "Credentials or a member of it")
        keys = ReadOnlyCredentials(*texts, None)
        return keys, expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)  # STS uses UTC

    def _malformed(self, operation: str, account_id: str, member: str) -> AwsError:
        call = Call("sts", operation, account_id, self.hub_region)
        return AwsError("MalformedResponse", f"response is missing {member}", call)

    def begin_run(self, unreachable_regions: Iterable[str] = ()) -> None:
        """Begin a run or a query: an endpoint that an earlier one could not reach is tried with one call.

        Args:
            unreachable_regions: regions whose DRS could not be reached, by region status.
        """
        self._circuits.begin_run(unreachable_regions)

    async def require_reachable(self, service: str, operation: str, scope: Scope) -> None:
        """Wait for the call that tries an endpoint, if one is under way.

        Raises:
            AwsError: this run has found the endpoint unreachable. Nothing is sent, so the account need not be entered.
        """
        circuit = self._circuits.of(service, scope.region)
        if circuit is not None:
            await circuit.wait_for_probe(Call(service, operation, scope.account_id, scope.region))

    async def _client(self, service: str, region: str) -> Any:  # noqa: ANN401 - SDK clients have no static type
        key = (service, region)
        if key not in self._clients:
            async with self._building:
                if key not in self._clients:
                    with translating_config_errors():
                        client = await self._stack.enter_async_context(
                            self._session.create_client(service, region_name=region, config=self._config)
                        )
                    _keep_user_agent(client)
                    if service == "dynamodb":
                        write_bodies_directly(client)
                    self._clients[key] = client
        return self._clients[key]

    def _rate_limiter(self, call: Call) -> RateLimiter:
        key = (call.service, call.account_id, call.region)
        return self._rate_limiters.get(key, lambda: RateLimiter(self._start_rates[call.service]))

    async def send(
        self, source: CredentialSource, call: Call, params: Mapping[str, Any], *, on_behalf_of: str = ""
    ) -> dict[str, Any]:
        """Make one call, with retries and backoff. Use `AccountSession.call`.

        Args:
            source: credentials that sign the call.
            call: what is called.
            params: as in the AWS API.
            on_behalf_of: account whose retries the call uses; empty: the account that signs it.

        Raises:
            AwsError: the failure of the last attempt.
            ConfigurationError: the SDK rejects its settings.
        """
        rate_limiter, account_id = self._rate_limiter(call), on_behalf_of or call.account_id
        circuit, failure, attempt = self._circuits.of(call.service, call.region), None, 0
        while True:
            attempt += 1
            async with Admission(circuit, call, account_id, failure) as admission:
                sent_at = await rate_limiter.wait(call)
                with translating_sdk_errors(call):
                    keys = await source()
                try:
                    response = await self._attempt(keys, rate_limiter, call, params)
                except AwsError as error:
                    failure = error
                    admission.failed(error)
                else:
                    admission.succeeded()
                    rate_limiter.rate.succeeded()
                    self._budgets[call.service].succeeded(account_id)
                    return response
            if failure.error_class.expired:
                if isinstance(source, AssumedRole):
                    source.expire(keys.access_key)
                else:
                    failure.advice = self._session.log_in_again()
            if circuit is not None and circuit.is_open:
                raise failure
            await self._wait_before_retry(failure, rate_limiter, account_id, attempt=attempt, sent_at=sent_at)

    async def _attempt(
        self, keys: ReadOnlyCredentials, rate_limiter: RateLimiter, call: Call, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        method = getattr(await self._client(call.service, call.region), xform_name(call.operation), None)
        if method is None:  # clients have only methods that some process declares
            raise UndeclaredOperationError(call.service, call.operation)
        async with rate_limiter.slots, self._in_flight:
            check_call_guard()
            count_call(call.service, call.operation)
            with signing_as(keys), translating_sdk_errors(call, keys), anyio.fail_after(_ATTEMPT_TIMEOUT_S):
                response: dict[str, Any] = await method(**params)
                return response

    async def _wait_before_retry(
        self, failure: AwsError, rate_limiter: RateLimiter, account_id: str, *, attempt: int, sent_at: float
    ) -> None:
        """Sleep until the next attempt (backoff, retry budget); raise the failure if there must be none."""
        error_class, now, budget = failure.error_class, anyio.current_time(), self._budgets[failure.call.service]
        if error_class.throttle:
            count_throttle()
            rate_limiter.rate.throttled(now, sent_at=sent_at, retry_after_s=failure.retry_after_s)
        if not error_class.retry and failure.http_status:
            budget.succeeded(account_id)  # a definite response, such as DRS not initialised: the service itself works
        if attempt >= max_attempts(error_class):
            raise failure
        remaining = anyio.current_effective_deadline() - now
        wait = budget.spend(now, account_id, longest_wait_s=min(max_wait_s(error_class), remaining))
        pause = backoff_s(attempt, jitter=self._random.random(), retry_after_s=failure.retry_after_s)
        # Waiting past the deadline would replace the real error by a timeout.
        if wait is None or wait + pause >= remaining:
            raise failure
        await anyio.sleep(wait + pause)


@dataclass(frozen=True, slots=True)
class AccountSession:
    """AWS calls signed with the credentials of one account."""

    aws_client: AwsClient
    account_id: str
    source: CredentialSource

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        """Make a call; `operation` and `params` are spelled as in the AWS API.

        Raises:
            AwsError: every attempt failed.
        """
        try:
            return await self.aws_client.send(self.source, Call(service, operation, self.account_id, region), params)
        except AwsError as error:
            error.add_facts(_named_in(params))
            raise


def _named_in(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts for the texts of an error that are parameters of the call."""
    facts = {"table": f"table {params['TableName']}"} if "TableName" in params else {}
    return facts | ({"role": str(params["RoleArn"])} if "RoleArn" in params else {})


def _keep_user_agent(client: Any) -> None:  # noqa: ANN401 - SDK clients have no static type
    """Put the user agent of a client together once; the SDK does so twice for each call, which was 4 % of a sync."""
    creator = client._user_agent_creator  # noqa: SLF001 - the SDK has no other way to it
    text = creator.to_string()
    creator.to_string = lambda: text
