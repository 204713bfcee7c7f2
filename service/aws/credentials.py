"""Credentials per task: each call is signed for the account that the running task works on.

An SDK client belongs to a region but to no account. Its credentials object reads a context variable when a request is
signed, so 100 accounts x 34 regions need 34 DRS clients instead of 3,400, and renewed credentials reach all of them.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import anyio
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST

from service.aws.credential_chain import credential_chain
from service.aws.credential_errors import CredentialSourceError, explain, late
from service.aws.credential_source import SourceFacts, log_in_again
from service.aws.parsers import ParserFactory
from service.aws.service_models import DeclaredModels, models_in
from service.aws.session_events import SharedAliases, is_needed
from service.errors import AwsError
from service.models import Now
from service.settings import Settings

__all__ = ["AssumedRole", "CredentialSource", "HubSession", "TaskCredentials", "signing_as"]

CredentialSource = Callable[[], Awaitable[ReadOnlyCredentials]]
"""Returns credentials that are valid now."""

RENEW_BEFORE: Final = timedelta(seconds=120)

_signing_keys: ContextVar[ReadOnlyCredentials | None] = ContextVar("credentials", default=None)


@contextmanager
def signing_as(keys: ReadOnlyCredentials) -> Iterator[None]:
    """Sign every call made inside, by this task, with these credentials."""
    token = _signing_keys.set(keys)
    try:
        yield
    finally:
        _signing_keys.reset(token)


class TaskCredentials(AioCredentials):
    """The credentials object of every SDK client: resolves to the credentials of the running task."""

    def __init__(self) -> None:
        super().__init__(access_key="task", secret_key="task", method="task")  # noqa: S106 - never used to sign

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the credentials that sign the current call."""
        keys = _signing_keys.get()
        if keys is None:  # a call that was not made through AwsClient
            raise NoCredentialsError
        return keys


@cache
def _loader(data_path: str | None) -> DeclaredModels:
    return models_in(data_path)


# The whole chain has longer than a credential_process, for the calls that the SDK makes with what the process gave.
_CHAIN_TIME_LIMIT: Final = 1.5


class HubSession(AioSession):
    """The SDK session. Its clients use `TaskCredentials`; its credential chain finds the hub's credentials.

    Args:
        settings: time limit of the credential chain, and timeouts of its calls.
    """

    def __init__(self, settings: Settings) -> None:
        # botocore reads only AWS_DEFAULT_REGION; Lambda, ECS and all other SDKs use AWS_REGION.
        super().__init__({"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)})
        self.register_component("response_parser_factory", ParserFactory())
        # For the calls of the credential chain; the clients of AwsClient have a configuration of their own.
        self.set_default_client_config(
            AioConfig(
                connect_timeout=settings.connect_timeout_seconds,
                read_timeout=settings.read_timeout_seconds,
                retries={"total_max_attempts": 2, "mode": "standard"},
            )
        )
        self._time_limit_s = settings.credential_timeout_seconds
        self._loading = anyio.Lock()
        self._failures = 0
        self._last_failure: CredentialSourceError | None = None

    def _register_builtin_handlers(self, events: Any) -> None:  # noqa: ANN401, ARG002 - untyped in the SDK
        """Register what clients of ours may need of the SDK's handlers."""
        self._events = SharedAliases(self._original_handler)
        register = {
            None: self._events.register,
            REGISTER_FIRST: self._events.register_first,
            REGISTER_LAST: self._events.register_last,
        }
        for event_name, handler, *order in BUILTIN_HANDLERS:
            if is_needed(event_name):
                register[order[0] if order else None](event_name, handler)

    def _register_data_loader(self) -> None:
        """Load the SDK's service models once per process instead of once per session."""
        self._components.lazy_register_component("data_loader", lambda: _loader(self.get_config_variable("data_path")))

    def _create_credential_resolver(self) -> Any:  # noqa: ANN401 - untyped in the SDK
        return credential_chain(self, process_time_limit_s=self._time_limit_s)

    async def get_credentials(self) -> AioCredentials:
        """Return the credentials object for new SDK clients."""
        return TaskCredentials()

    async def hub_credentials(self) -> ReadOnlyCredentials:
        """Return the hub's own credentials, found and renewed by the SDK's credential chain.

        Raises:
            CredentialSourceError: there are none; it has the cause and the fix.
            BotoCoreError, ClientError: a call that the chain made failed, and may succeed later.
        """
        time_limit_s = self._time_limit_s * _CHAIN_TIME_LIMIT
        try:
            with anyio.fail_after(time_limit_s):
                credentials = await self._found()
                return _without_blanks(await credentials.get_frozen_credentials())
        except TimeoutError:
            raise late(self._facts(), time_limit_s) from None
        except Exception as error:
            explained = explain(error, self._facts())
            if explained is None:
                raise
            # Not `from error`: its text may quote the secret that was read.
            raise explained from None

    async def _found(self) -> AioCredentials:
        """Return the credentials object of the first source that has one; callers that wait share a failure."""
        failures = self._failures
        async with self._loading:
            if self._last_failure is not None and self._failures > failures:
                raise self._last_failure.with_traceback(None)
            try:
                credentials: AioCredentials = await self._loaded()
            except Exception as error:
                self._last_failure = explain(error, self._facts())
                self._failures += self._last_failure is not None
                raise
            return credentials

    async def _loaded(self) -> AioCredentials:
        credentials: AioCredentials | None = await super().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials

    def log_in_again(self) -> str:
        """Return how to renew the hub's credentials after AWS reported that they are expired."""
        return log_in_again(self._facts())

    def _facts(self) -> SourceFacts:
        profile = self.get_config_variable("profile") or "default"
        config_file = self.get_config_variable("config_file")
        try:
            profiles = self.full_config["profiles"]
        except (BotoCoreError, OSError):  # the file is what failed, and the error that is explained says so
            profiles = {}
        return SourceFacts(profile, profiles, os.environ, config_file)


def _without_blanks(keys: ReadOnlyCredentials) -> ReadOnlyCredentials:
    if any(text != "".join(text.split()) for text in (keys.access_key, keys.secret_key, keys.token or "")):
        raise CredentialSourceError(
            "the AWS credentials contain whitespace", "set the keys and the session token again, without blanks"
        )
    return keys


@dataclass(frozen=True, slots=True)
class _RoleSession:
    credentials: ReadOnlyCredentials
    expires_at: datetime


class AssumedRole:
    """Credentials of an assumed role: shared by all regions of the account, renewed two minutes before they expire."""

    def __init__(self, assume: Callable[[], Awaitable[tuple[ReadOnlyCredentials, datetime]]], now: Now) -> None:
        self._assume = assume
        self._now = now
        self._lock = anyio.Lock()
        self._role_session: _RoleSession | None = None
        self._failures = 0
        self._last_failure: AwsError | None = None

    async def __call__(self) -> ReadOnlyCredentials:
        """Return credentials that are valid now; callers that arrive during a renewal share its result or failure.

        Raises:
            AwsError: the role could not be assumed.
        """
        failures = self._failures
        async with self._lock:
            if self._role_session is None or self._now() >= self._role_session.expires_at - RENEW_BEFORE:
                if self._last_failure is not None and self._failures > failures:
                    # It failed while this caller waited: every waiting region would repeat the call.
                    raise self._last_failure.with_traceback(None)
                self._role_session = await self._renewed()
            return self._role_session.credentials

    async def _renewed(self) -> _RoleSession:
        try:
            return _RoleSession(*await self._assume())
        except AwsError as error:
            self._failures += 1
            self._last_failure = error
            raise

    def expire(self, access_key: str) -> None:
        """Drop credentials that AWS reported as expired, unless they have been renewed since.

        Args:
            access_key: access key id that signed the rejected call.
        """
        if self._role_session is not None and access_key == self._role_session.credentials.access_key:
            self._role_session = None
