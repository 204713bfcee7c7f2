"""Circuit of an endpoint: when it opens, who probes, and what closes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import pytest

from service.aws.circuit import Admission, CircuitBreakers, EndpointCircuit
from service.errors import AwsError
from service.models import Call
from tests.simulation.clock import VirtualLoop, run

REGION: Final = "me-south-1"
ACCOUNTS: Final = tuple(f"2{number:011}" for number in range(8))


def call(account: str, service: str = "drs") -> Call:
    return Call(service, "DescribeSourceServers", account, REGION)


def error(code: str = "EndpointUnreachable", http_status: int = 0) -> AwsError:
    return AwsError(code, "no route", call(ACCOUNTS[0]), http_status=http_status)


class Endpoint:
    """An endpoint that responds or fails after three seconds, and counts the calls that it gets."""

    def __init__(self) -> None:
        self.circuit = EndpointCircuit()
        self.failure: AwsError | None = error()
        self.sent = 0
        self.sent_at_once = self._in_flight = 0
        self.rejections: list[tuple[str, bool, str]] = []

    async def send(self, account: str) -> str:
        """Make one attempt; return what came of it."""
        try:
            async with Admission(self.circuit, call(account), account) as admission:
                self.sent += 1
                self._in_flight += 1
                self.sent_at_once = max(self.sent_at_once, self._in_flight)
                try:
                    await anyio.sleep(3.0)
                finally:
                    self._in_flight -= 1
                if self.failure is None:
                    admission.succeeded()
                    return "sent"
                admission.failed(self.failure)
                return self.failure.code
        except AwsError as rejected:
            self.rejections.append((rejected.code, rejected.call.account_id == account, rejected.message[:15]))
            return "not sent"

    async def send_all(self, *accounts: str) -> list[str]:
        """Make one attempt for each account at the same time."""
        outcomes: dict[int, str] = {}

        async def send(number: int, account: str) -> None:
            outcomes[number] = await self.send(account)

        async with anyio.create_task_group() as tasks:
            for number, account in enumerate(accounts):
                tasks.start_soon(send, number, account)
        return [outcomes[number] for number in range(len(accounts))]

    async def open(self) -> None:
        """Let three accounts find out, and one more call confirm it."""
        await self.send_all(*ACCOUNTS[:3])
        await self.send(ACCOUNTS[0])
        assert self.circuit.is_open


def played(work: Callable[[Endpoint], Awaitable[None]]) -> None:
    async def in_loop(_: VirtualLoop) -> None:
        await work(Endpoint())

    run(in_loop)


def test_three_accounts_and_a_probe_open_it() -> None:
    async def work(endpoint: Endpoint) -> None:
        await endpoint.send_all(*ACCOUNTS[:3])
        assert not endpoint.circuit.is_open
        outcomes = await endpoint.send_all(*ACCOUNTS[3:])
        assert outcomes == ["EndpointUnreachable", *["not sent"] * 4]
        assert endpoint.sent == 4
        assert await endpoint.send(ACCOUNTS[0]) == "not sent"
        assert endpoint.rejections == [("EndpointUnreachable", True, "not tried again")] * 5

    played(work)


def test_one_account_alone_does_not_open_it() -> None:
    async def work(endpoint: Endpoint) -> None:
        for _ in range(5):
            assert await endpoint.send(ACCOUNTS[0]) == "EndpointUnreachable"
        assert await endpoint.send_all(*ACCOUNTS[:2]) == ["EndpointUnreachable"] * 2
        assert not endpoint.circuit.is_open

    played(work)


@pytest.mark.parametrize(
    "failure",
    [
        None,
        error("AccessDeniedException", 403),
        error("InternalServerException", 500),
        error("CertificateRefused"),
        error("ConnectionLost"),
        error("MalformedResponse"),
    ],
    ids=lambda failure: failure.code if failure else "success",
)
def test_whatever_shows_that_it_can_be_reached_closes_it(failure: AwsError | None) -> None:
    async def work(endpoint: Endpoint) -> None:
        await endpoint.send_all(*ACCOUNTS[:3])
        endpoint.failure = failure
        outcomes = await endpoint.send_all(*ACCOUNTS)
        assert set(outcomes) == {failure.code if failure else "sent"}
        assert endpoint.sent_at_once == len(ACCOUNTS) - 1  # one of them was the probe, and the others followed it
        endpoint.failure = error()
        await endpoint.send_all(*ACCOUNTS[:2])  # what two accounts find now is not added to what was found before
        endpoint.sent = 0
        await endpoint.send_all(*ACCOUNTS[:2])
        assert endpoint.sent == 2

    played(work)


def test_a_new_run_tries_it_with_one_probe() -> None:
    async def work(endpoint: Endpoint) -> None:
        await endpoint.open()
        for _ in range(2):
            endpoint.circuit.begin_run(was_unreachable=False)
            endpoint.sent = 0
            assert await endpoint.send_all(*ACCOUNTS) == ["EndpointUnreachable", *["not sent"] * 7]
            assert endpoint.sent == 1
        endpoint.circuit.begin_run(was_unreachable=False)
        endpoint.failure = None
        assert await endpoint.send_all(*ACCOUNTS) == ["sent"] * 8

    played(work)


def test_a_long_run_tries_it_again_after_a_minute() -> None:
    async def work(endpoint: Endpoint) -> None:
        await endpoint.open()
        await anyio.sleep(61.0)
        endpoint.sent = 0
        await endpoint.send_all(*ACCOUNTS)
        assert endpoint.sent == 1
        assert endpoint.circuit.is_open

    played(work)


def test_what_region_status_says_of_the_last_run_counts_like_an_open_circuit() -> None:
    async def work(endpoint: Endpoint) -> None:
        endpoint.circuit.begin_run(was_unreachable=True)
        assert await endpoint.send_all(*ACCOUNTS) == ["EndpointUnreachable", *["not sent"] * 7]

    played(work)


def test_a_probe_that_was_cancelled_leaves_it_to_the_next_call() -> None:
    async def work(endpoint: Endpoint) -> None:
        endpoint.circuit.begin_run(was_unreachable=True)
        endpoint.failure = None
        with anyio.move_on_after(1.0):
            await endpoint.send(ACCOUNTS[0])
        assert await endpoint.send_all(*ACCOUNTS[:3]) == ["sent"] * 3
        assert endpoint.sent == 4

    played(work)


def test_a_retry_that_may_not_be_made_raises_the_failure_before_it() -> None:
    async def work(endpoint: Endpoint) -> None:
        await endpoint.open()
        before = error("ReadTimeout")
        with pytest.raises(AwsError) as raised:
            async with Admission(endpoint.circuit, call(ACCOUNTS[0]), ACCOUNTS[0], before):
                raise AssertionError("it was admitted")
        assert raised.value is before

    played(work)


def test_each_endpoint_has_its_own_and_tables_have_none() -> None:
    circuits = CircuitBreakers()
    assert circuits.of("dynamodb", REGION) is None
    drs = circuits.of("drs", REGION)
    assert drs is circuits.of("drs", REGION)
    assert len({id(circuits.of(service, REGION)) for service in ("drs", "ec2", "sts")}) == 3
    assert circuits.of("drs", "us-west-2") is not drs
