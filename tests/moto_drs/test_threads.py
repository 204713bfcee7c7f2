"""Concurrent clients, with servers added and removed at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import Client, manual_backend

pytestmark = pytest.mark.deep

ROUNDS = 15


@pytest.mark.timeout(60)
def test_concurrent_readers_and_writers_do_not_interfere(
    client: Any, connect: Client, backend: DRSBackend, new_account: Any
) -> None:
    staging = manual_backend(new_account())
    staging.trust(backend.account_id)
    backend.trust(staging.account_id)  # in both directions: with one lock per backend this would deadlock
    servers = [backend.add_source_server({}) for _ in range(20)]
    origins = [staging.add_source_server({}).arn for _ in range(ROUNDS)]
    in_staging = connect(staging.account_id)

    def read() -> int:
        pages = client.get_paginator("describe_source_servers").paginate(maxResults=7)
        return len({each["sourceServerID"] for page in pages for each in page["items"]})

    def tag(number: int) -> None:
        client.tag_resource(resourceArn=servers[number % 20].arn, tags={f"key-{number}": "value"})

    def extend(number: int) -> None:
        client.create_extended_source_server(sourceServerArn=origins[number])
        in_staging.create_extended_source_server(sourceServerArn=servers[number].arn)

    def seed(number: int) -> None:
        backend.remove_source_server(backend.add_source_server({}).source_server_id)
        backend.start_recovery({servers[number].source_server_id: None}, is_drill=True)
        backend.advance()

    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(each, number) for number in range(ROUNDS) for each in (tag, extend, seed)]
        reads = [pool.submit(read) for _ in range(ROUNDS)]
        for each in work:
            each.result()
        assert all(each.result() >= 20 for each in reads)
    assert read() == 20 + ROUNDS
    assert len(client.list_staging_accounts()["accounts"]) == 1
