"""Fixtures: an unmodified moto server with DRS, and clients of fresh accounts that validate every response."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.models import DRSBackend
from service.sandbox.moto_drs.register import register
from tests.moto_drs.wire_model import check_response

REGION = "us-west-2"
_numbers = random.SystemRandom()

Keys = Callable[[str], dict[str, str]]
Client = Callable[..., Any]


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    register()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session("first-key", "secret", region_name=REGION)


@pytest.fixture(scope="session")
def keys(endpoint: str, session: boto3.Session) -> Keys:
    """Factory of an account's credentials: moto allows anybody to assume any role."""
    sts = session.client("sts", endpoint_url=endpoint)

    def assume(account_id: str) -> dict[str, str]:
        answer = sts.assume_role(RoleArn=f"arn:aws:iam::{account_id}:role/reader", RoleSessionName="tests")
        return {
            "aws_access_key_id": answer["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": answer["Credentials"]["SecretAccessKey"],
            "aws_session_token": answer["Credentials"]["SessionToken"],
        }

    return assume


@pytest.fixture(scope="session")
def connect(endpoint: str, session: boto3.Session, keys: Keys) -> Client:
    """Factory of clients for an account and region; they raise on responses that the model does not allow."""

    def client(account_id: str, region: str = REGION, **settings: Any) -> Any:
        made = session.client(
            "drs",
            region_name=region,
            endpoint_url=endpoint,
            config=Config(retries={"total_max_attempts": 1}, **settings),
            **keys(account_id),
        )
        made.meta.events.register(
            "after-call.drs", lambda http_response, model, **_: check_response(http_response, model)
        )
        return made

    return client


@pytest.fixture
def new_account() -> Callable[[], str]:
    return lambda: str(_numbers.randrange(10**11, 10**12))


@pytest.fixture
def account(new_account: Callable[[], str]) -> str:
    return new_account()


@pytest.fixture
def backend(account: str) -> DRSBackend:
    """Backend of a fresh account, initialized; only `advance` moves it on."""
    return manual_backend(account)


def manual_backend(account_id: str, region: str = REGION) -> DRSBackend:
    made: DRSBackend = drs_backends[account_id][region]
    made.initialize_service()
    made.auto_advance = False
    return made


@pytest.fixture
def client(connect: Client, account: str, backend: DRSBackend) -> Any:
    """Client of the fresh account, whose backend exists already."""
    assert backend.account_id == account
    return connect(account)


@pytest.fixture
def real_time() -> Iterator[None]:
    """Set the clock back after a test that moves it."""
    yield
    drs_clock.reset()


@pytest.fixture
def new_server(backend: DRSBackend) -> Callable[[], str]:
    """Factory of source servers; returns the ARN of each."""
    return lambda: backend.add_source_server({}).arn


@pytest.fixture
def arn(new_server: Callable[[], str]) -> str:
    """ARN of a source server."""
    return new_server()


@pytest.fixture
def failing(backend: DRSBackend, new_server: Callable[[], str]) -> str:
    """ARN of a source server that has no snapshots, so that its launch fails."""
    made = new_server()
    backend.source_servers[made.rpartition("/")[2]].snapshots.clear()
    return made
