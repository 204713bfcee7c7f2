"""Unreachable services: connection refused, or unknown host name. For TLS see tests/aws/test_http.py."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from service.errors import AwsError
from tests.wire.conftest import SpoiledSandbox


@pytest.fixture(params=["refused", "unknown name"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a URL that cannot be reached."""
    if request.param == "unknown name":
        yield "http://aws.invalid"  # a name that never resolves (RFC 2606)
        return
    with socket.socket() as bound:  # does not listen, and no other process gets the port
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize(("service", "operation"), [("drs", "DescribeSourceServers"), ("sts", "AssumeRole")])
async def test_every_scope_fails_and_none_counts_as_empty(
    service: str, operation: str, nowhere: str, spoiled: SpoiledSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    if service == "sts":
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", nowhere)
        with pytest.raises(AwsError) as raised:  # the hub's identity is needed first
            await spoiled.sandbox.sync()
        assert (raised.value.code, raised.value.call.operation) == ("EndpointUnreachable", "GetCallerIdentity")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", nowhere)
        report = await spoiled.sandbox.sync()
        assert report["status"] == "failed"
        assert {(each["code"], each["operation"]) for each in report["errors"]} == {("EndpointUnreachable", operation)}
        assert {each["accountId"] for each in report["errors"]} == {spoiled.sandbox.names.a, spoiled.sandbox.names.b}
        assert (report["scopes"]["failed"], report["scopes"]["complete"]) == (3, 0)  # B has no servers in eu-west-1
        rows = spoiled.sandbox.status()
        assert {
            rows[region]["accounts"][spoiled.sandbox.names.a]["status"] for region in ("us-west-2", "eu-west-1")
        } == {"ENDPOINT_UNREACHABLE"}
    spoiled.nothing_lost()
    monkeypatch.undo()
    await spoiled.next_run_is_complete()


async def test_without_tables_the_cause_is_named(
    nowhere: str, spoiled: SpoiledSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", nowhere)
    with pytest.raises(AwsError) as raised:
        await spoiled.sandbox.sync()
    assert (raised.value.code, raised.value.call.service) == ("EndpointUnreachable", "dynamodb")
    assert "DNS" in raised.value.fix
    monkeypatch.undo()
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()
