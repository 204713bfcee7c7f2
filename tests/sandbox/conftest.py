"""Fixtures: a sandbox with a small fleet and a manual clock, and boto3 clients for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config

from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.server import Sandbox

HUB, TARGET, STAGING, APPS = "999900001111", "111122223333", "444455556666", "777788889999"
EXTERNAL_ID = "drs-orchestration-cross-account"
_ORIGIN = {"account_id": APPS, "region": "us-east-1", "availability_zone": "us-east-1b"}
MEMBERS: dict[str, Any] = {
    "hub": {"account_id": HUB},
    "accounts": [
        {
            "account_id": TARGET,
            "name": "Retail DR",
            "staging_accounts": [STAGING],
            "regions_off": ["me-south-1"],
            "regions": {
                "us-west-2": {
                    "servers": 5,
                    "on_premises": 1,
                    "origin": _ORIGIN,
                    "tags": {"Team": "retail"},
                    "extended_from": [{"account_id": STAGING, "count": 1}],
                },
                "eu-west-1": {"servers": 0},
            },
        },
        {
            "account_id": STAGING,
            "kind": "staging",
            "regions": {"us-west-2": {"servers": 3, "hostname_prefix": "stg", "origin": _ORIGIN}},
        },
        {"account_id": APPS, "kind": "application"},
        {"account_id": "555500005555", "name": "No role", "role": None},
    ],
}


class Clock:
    """Manual clock, in seconds; it advances only by `sleep` or by setting `now`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


Client = Callable[..., Any]


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session()


@pytest.fixture
def members() -> dict[str, Any]:
    """Members of the small fleet, for tests that vary them."""
    return {**MEMBERS, "accounts": [*MEMBERS["accounts"]]}


@pytest.fixture
def fleet(members: dict[str, Any]) -> Fleet:
    return parse_model(Fleet, members, "fleet")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(fleet: Fleet, clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(fleet, clock=clock, sleep=clock.sleep) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox, session: boto3.Session) -> Iterator[Client]:
    """Factory of clients: client("drs"), client("drs", account_id=..., region=...). Closes them after the test."""
    clients: list[Any] = []

    def make(
        service: str,
        *,
        account_id: str = HUB,
        region: str = "us-east-1",
        credentials: Mapping[str, str | None] | None = None,
    ) -> Any:
        if account_id != HUB:
            credentials = assume(account_id)
        keys = credentials or {"AccessKeyId": "AKIAANYKEY", "SecretAccessKey": "secret", "SessionToken": None}
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=300, proxies={})
        clients.append(
            session.client(
                service,
                region_name=region,
                endpoint_url=sandbox.endpoint_url,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys["SessionToken"],
                config=config,
            )
        )
        return clients[-1]

    def assume(account_id: str) -> dict[str, str]:
        answer = make("sts").assume_role(
            RoleArn=f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole",
            RoleSessionName="drs-orchestration-test",
            ExternalId=EXTERNAL_ID,
            DurationSeconds=900,
        )
        return dict(answer["Credentials"])

    yield make
    for each in clients:
        each.close()
