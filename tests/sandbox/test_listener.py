"""HTTP server: keep-alive, ports in use, concurrency, shutdown."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.server import Sandbox, SandboxError, serve
from tests.support.command import CHECKOUT

_SMALL = parse_model(Fleet, {"hub": {"account_id": "999911110000"}}, "fleet")
_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request, Signature=0"}


def _signed(service: str) -> dict[str, str]:
    return {key: value.format(service=service) for key, value in _SIGNED.items()}


def test_a_connection_serves_many_requests() -> None:
    with Sandbox(_SMALL) as sandbox:
        connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
        ports = set()
        for path, body, headers in [
            ("/ListStagingAccounts", None, _signed("drs")),
            ("/InitializeService", "{}", _signed("drs")),
            ("/", "Action=GetCallerIdentity&Version=2011-06-15", _signed("sts")),
            ("/DescribeSourceServers", "{}", _signed("drs")),
            ("/sandbox/health", None, {}),
            ("/unsigned", "rest that nobody reads", {}),
            ("/sandbox/calls", None, {}),
        ]:
            form = {"Content-Type": "application/x-www-form-urlencoded"} if body and body.startswith("Action") else {}
            connection.request("POST" if body else "GET", path, body=body, headers={**headers, **form})
            response = connection.getresponse()
            content = response.read()
            assert response.version == 11
            assert not response.will_close
            if response.status != 204:
                assert int(response.headers["Content-Length"]) == len(content)
            ports.add(connection.sock.getsockname()[1])
        assert len(ports) == 1
        connection.close()


def test_a_chunked_body_is_read_whole() -> None:
    with Sandbox(_SMALL) as sandbox:
        connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
        for _ in range(2):
            connection.request(
                "PUT",
                "/sandbox/faults",
                body=iter([b'{"latency_ms":', b"{}}"]),
                encode_chunked=True,
                headers={"Transfer-Encoding": "chunked"},
            )
            response = connection.getresponse()
            response.read()
            assert response.status == 200
        connection.close()


def test_the_error_names_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1 port {port}: .* choose another one"):
            serve(_SMALL, port=port)
    serve(_SMALL).close()  # the failed start has released its accounts


def test_closing_ends_open_connections_and_can_be_repeated() -> None:
    sandbox = serve(_SMALL)
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
    connection.request("GET", "/sandbox/health")
    connection.getresponse().read()
    sandbox.close()
    sandbox.close()
    assert connection.sock.recv(1) == b""
    connection.close()
    with pytest.raises(SandboxError, match="not running"):
        _ = sandbox.endpoint_url


def test_sandboxes_side_by_side_share_nothing(session: Any) -> None:
    other = parse_model(Fleet, {"hub": {"account_id": "999922220000"}}, "fleet")
    with Sandbox(_SMALL) as one, Sandbox(other) as two:
        with pytest.raises(FleetError, match="another sandbox of this process has 999911110000"):
            Sandbox(_SMALL).start()
        accounts = []
        for sandbox in (one, two):
            sts = session.client(
                "sts",
                region_name="us-east-1",
                endpoint_url=sandbox.endpoint_url,
                aws_access_key_id="a",
                aws_secret_access_key="b",
            )
            accounts.append(sts.get_caller_identity()["Account"])
            sts.close()
            assert [call.count for call in sandbox.calls()] == [1]
        assert accounts == ["999911110000", "999922220000"]


def test_a_restarted_sandbox_is_empty() -> None:
    for _ in range(2):
        with Sandbox(_SMALL) as sandbox:
            connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
            connection.request("POST", "/DescribeSourceServers", body="{}", headers=_signed("drs"))
            assert b"UninitializedAccountException" in connection.getresponse().read()
            connection.request("POST", "/InitializeService", body="{}", headers=_signed("drs"))
            assert connection.getresponse().status == 204
            connection.close()


def test_the_error_names_an_unknown_service() -> None:
    with serve(_SMALL) as sandbox:
        connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
        connection.request("GET", "/things", headers=_signed("nosuchservice"))
        response = connection.getresponse()
        assert response.status == 501
        assert b"no service at nosuchservice.us-east-1" in response.read()
        connection.close()


def test_many_clients_at_once() -> None:
    with Sandbox(_SMALL) as sandbox:

        def send_requests() -> None:
            connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
            for _ in range(5):
                connection.request("POST", "/DescribeSourceServers", body="{}", headers=_signed("drs"))
                connection.getresponse().read()
            connection.close()

        threads = [threading.Thread(target=send_requests) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [call.count for call in sandbox.calls()] == [50]


def test_delayed_calls_run_concurrently() -> None:
    """Delayed calls wait at a barrier that opens only when all of them have arrived."""
    number = 64
    barrier = threading.Barrier(number)
    faults = {"latency_ms": {"drs": 1000}}
    fleet = parse_model(Fleet, {"hub": {"account_id": "999911110000"}, "faults": faults}, "fleet")

    def wait_at_barrier(_seconds: float) -> None:
        barrier.wait(timeout=300)

    with Sandbox(fleet, sleep=wait_at_barrier) as sandbox:

        def send_requests(_number: int) -> int:
            connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
            connection.request("POST", "/InitializeService", body="{}", headers=_signed("drs"))
            status = connection.getresponse().status
            connection.close()
            return status

        with ThreadPoolExecutor(number) as pool:
            assert set(pool.map(send_requests, range(number))) == {204}
        assert [call.count for call in sandbox.calls()] == [number]


_FOREGROUND = """
from service.sandbox.fleet_models import Fleet
from service.sandbox.fleet import parse_model
from service.sandbox.server import serve_forever
fleet = parse_model(Fleet, {"hub": {"account_id": "999911110000"}}, "fleet")
serve_forever(fleet, on_ready=lambda sandbox: print(sandbox.endpoint_url, flush=True))
print("closed")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_foreground_server_ends_on_signals(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FOREGROUND], stdout=subprocess.PIPE, text=True, env={**os.environ, **CHECKOUT}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.stdout.read() == "closed\n"
        assert process.wait(timeout=300) == 0
