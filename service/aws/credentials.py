"""Whose credentials sign a call: those of the account that the running task acts for.

A client is bound to a region but to no account. Its credentials object asks a context variable at signing time, so 100
accounts x 28 regions need 28 DRS clients and not 2,800, and a renewed token reaches every client at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

import anyio
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError
from botocore.loaders import Loader, create_loader

from service.aws.parsers import ParserFactory
from service.errors import AwsError
from service.models import Now

__all__ = ["AssumedRole", "HubSession", "Source", "TaskCredentials", "acting_as"]

Source = Callable[[], Awaitable[ReadOnlyCredentials]]
"""Gives credentials that are valid now."""

RENEW_BEFORE: Final = timedelta(seconds=120)

_acting: ContextVar[ReadOnlyCredentials | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(keys: ReadOnlyCredentials) -> Iterator[None]:
    """Sign every call made inside with these credentials."""
    token = _acting.set(keys)
    try:
        yield
    finally:
        _acting.reset(token)


class TaskCredentials(AioCredentials):
    """What every client holds as its credentials: a question to the running task."""

    def __init__(self) -> None:
        super().__init__(access_key="task", secret_key="task", method="task")  # noqa: S106 - never used to sign

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Give the credentials to sign the call under way with."""
        keys = _acting.get()
        if keys is None:  # a call that did not come through the door
            raise NoCredentialsError
        return keys


@cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)


class HubSession(AioSession):
    """The one SDK session. Its clients get `TaskCredentials`; its own chain is the hub's."""

    def __init__(self) -> None:
        # botocore reads AWS_DEFAULT_REGION alone; Lambda, ECS and every other SDK speak of AWS_REGION.
        super().__init__({"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)})
        self.register_component("response_parser_factory", ParserFactory())

    def _register_data_loader(self) -> None:
        """Read the SDK's descriptions of services once in a process, not once for each session."""
        self._components.lazy_register_component("data_loader", lambda: _loader(self.get_config_variable("data_path")))

    async def get_credentials(self) -> AioCredentials:
        """Give what clients are built with."""
        return TaskCredentials()

    async def own(self) -> ReadOnlyCredentials:
        """Give the hub's own credentials, as the SDK's chain finds and renews them.

        Raises:
            NoCredentialsError: the chain found none.
            CredentialRetrievalError: where the chain looks, there is nothing that can be read.
        """
        try:
            credentials = await super().get_credentials()
            if credentials is None:
                raise NoCredentialsError
            return _without_blanks(await credentials.get_frozen_credentials())
        # The SDK lets them out: no such program, no JSON, no date; a member of another type, or that is missing.
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            # Not the error's own words: they may quote what was read, and that was meant to be a secret.
            cause = type(error).__name__
        except RuntimeError:  # said of nothing else
            cause = "what it gives has run out already; check the clock of this host"
        raise CredentialRetrievalError(provider="the configured source", error_msg=cause)


def _without_blanks(keys: ReadOnlyCredentials) -> ReadOnlyCredentials:
    if any(text != "".join(text.split()) for text in (keys.access_key, keys.secret_key, keys.token or "")):
        raise CredentialRetrievalError(provider="the configured source", error_msg="a blank or line break in the keys")
    return keys


@dataclass(frozen=True, slots=True)
class _Lease:
    credentials: ReadOnlyCredentials
    until: datetime


class AssumedRole:
    """Credentials of one account: assumed once, shared by all its regions, renewed two minutes before they end."""

    def __init__(self, assume: Callable[[], Awaitable[tuple[ReadOnlyCredentials, datetime]]], now: Now) -> None:
        self._assume = assume
        self._now = now
        self._lock = anyio.Lock()
        self._lease: _Lease | None = None
        self._failures = 0
        self._last_failure: AwsError | None = None

    async def __call__(self) -> ReadOnlyCredentials:
        """Give credentials that are valid now; callers arriving during a renewal share it, also when it fails.

        Raises:
            AwsError: the role could not be assumed.
        """
        failures = self._failures
        async with self._lock:
            if self._lease is None or self._now() >= self._lease.until - RENEW_BEFORE:
                if self._last_failure is not None and self._failures > failures:
                    raise self._last_failure.with_traceback(None)  # 28 regions that waited would ask 28 times in turn
                self._lease = await self._renewed()
            return self._lease.credentials

    async def _renewed(self) -> _Lease:
        try:
            return _Lease(*await self._assume())
        except AwsError as error:
            self._failures += 1
            self._last_failure = error
            raise

    def expire(self, used: str) -> None:
        """Forget credentials that AWS calls expired, unless they were renewed meanwhile.

        Args:
            used: access key id that the refused call was signed with.
        """
        if self._lease is not None and used == self._lease.credentials.access_key:
            self._lease = None
