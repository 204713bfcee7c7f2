"""The SDK's credential chain, with two changes: a `credential_process` has a time limit, and nothing prompts."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from aiobotocore.credentials import AioProfileProviderBuilder, create_credential_resolver
from aiobotocore.session import AioSession
from botocore.exceptions import RefreshWithMFAUnsupportedError

from service.aws.credential_process import ProcessProvider

__all__ = ["credential_chain"]

_ROLE: Final = "assume-role"
_PROCESS: Final = "custom-process"


class _ProfileProviders(AioProfileProviderBuilder):
    """Makes the providers of a profile, and of each profile that a `source_profile` names."""

    def __init__(self, session: AioSession, *, time_limit_s: float) -> None:
        super().__init__(session)
        self._time_limit_s = time_limit_s

    def _create_process_provider(self, profile_name: str) -> ProcessProvider:
        return ProcessProvider(profile_name, lambda: self._session.full_config, self._time_limit_s)


def credential_chain(session: AioSession, *, process_time_limit_s: float) -> Any:  # noqa: ANN401 - untyped in the SDK
    """Return the chain for a session.

    It sets private members of the SDK's providers, whose version is pinned; `tests/aws/test_credential_sources.py`
    checks both changes.
    """
    chain = create_credential_resolver(session, region_name=session.get_config_variable("region"))
    builder = _ProfileProviders(session, time_limit_s=process_time_limit_s)
    role = chain.get_provider(_ROLE)
    role._prompter = _ask_nobody  # noqa: SLF001
    role._profile_provider_builder = builder  # noqa: SLF001
    profile = session.get_config_variable("profile") or "default"
    process = builder._create_process_provider(profile)  # noqa: SLF001
    chain.providers = [process if each.METHOD == _PROCESS else each for each in chain.providers]
    return chain


def _ask_nobody(_: str) -> NoReturn:
    """Refuse to ask for an MFA code, where the SDK would wait for somebody to type it."""
    raise RefreshWithMFAUnsupportedError
