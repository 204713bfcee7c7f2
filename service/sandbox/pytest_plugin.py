"""pytest plugin: fixtures that give a test a simulated AWS with DRS, and a marker that says with which servers.

pytest loads it in every run of an environment that has this distribution, so it imports nothing before a test uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from service.sandbox.server import Sandbox
    from service.sandbox.starting import FleetSource

__all__ = ["drs_fleet", "drs_sandbox", "drs_shared_fleet", "drs_shared_sandbox", "pytest_configure"]

_MARKER: Final = (
    "drs_fleet(source=None, **members): fleet of the fixture drs_sandbox: a number of servers (servers=10), other "
    "members of a region, a drawn fleet (servers=1000, seed=7), members of a whole fleet, or the path of a fleet file"
)
_SHARED_ACCOUNT_ID: Final = "222233334444"  # not that of a test's own sandbox, which may run at the same time


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def drs_fleet(request: pytest.FixtureRequest) -> FleetSource:
    """Fleet of `drs_sandbox`: that of the marker `drs_fleet`, else ten servers. Override it to declare another one."""
    marker = request.node.get_closest_marker("drs_fleet")
    return _fleet_of(*marker.args, **marker.kwargs) if marker else _fleet_of()


@pytest.fixture
def drs_sandbox(drs_fleet: FleetSource) -> Iterator[Sandbox]:
    """Simulated AWS with DRS, new for each test; during the test, the environment leads every AWS client to it."""
    with _away_from_aws() as patch, _started(drs_fleet) as sandbox:
        files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        for name, value in {**sandbox.environment(), **files}.items():
            patch.setenv(name, value)
        # boto3's default session keeps the credentials that it has found first, before the test or in it.
        patch.setattr("boto3.DEFAULT_SESSION", None)
        yield sandbox


@pytest.fixture(scope="session")
def drs_shared_fleet() -> FleetSource:
    """Fleet of `drs_shared_sandbox`: ten servers. Override it to declare another one."""
    return _fleet_of(account_id=_SHARED_ACCOUNT_ID)


@pytest.fixture(scope="session")
def drs_shared_sandbox(drs_shared_fleet: FleetSource) -> Iterator[Sandbox]:
    """Simulated AWS with DRS for the whole run, for tests that only read; it leaves the environment alone."""
    with _away_from_aws():
        sandbox = _started(drs_shared_fleet)
    with sandbox:
        yield sandbox


def _fleet_of(*source: Any, **members: Any) -> FleetSource:  # noqa: ANN401  (of the marker)
    with _away_from_aws():
        _require_extra()
        from service.sandbox.starting import fleet_of  # noqa: PLC0415 - it imports moto

        return fleet_of(*source, **members)


def _started(source: FleetSource) -> Sandbox:
    _require_extra()
    from service.sandbox.starting import start  # noqa: PLC0415 - it imports moto

    return start(source)


@contextmanager
def _away_from_aws() -> Iterator[pytest.MonkeyPatch]:
    """Leave out the variables that lead clients elsewhere: with a profile that does not exist, not even moto loads."""
    from service.client_environment import overriding_names  # noqa: PLC0415 - a run without it is not slower

    with pytest.MonkeyPatch.context() as patch:
        for name in overriding_names([*os.environ]):
            patch.delenv(name)
        yield patch


def _require_extra() -> None:
    try:
        import moto  # noqa: F401, PLC0415 - only to say what is missing
    except ImportError:
        pytest.fail("the sandbox is not installed. Fix: pip install 'drs-sync[sandbox]'", pytrace=False)
