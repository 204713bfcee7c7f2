"""`drs-sync serve` as a process: where it listens, what it prints, and how it ends."""

from __future__ import annotations

import http.client
import json
import signal
import sys
from urllib.parse import urlsplit

import pytest

from tests.cli.test_unknown import command
from tests.support.command import start
from tests.support.sandbox import EngineSandbox


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(sandbox: EngineSandbox, number: signal.Signals) -> None:
    with start("serve", "--port", "0") as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        text = ""
        for line in lines:
            text += line
            if line.startswith("}"):
                break
        url = urlsplit(json.loads(text)["url"])
        assert url.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection("127.0.0.1", url.port or 0, timeout=60)
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        assert connection.getresponse().read() == b"ok\n"
        connection.close()
        process.send_signal(number)
        assert process.wait(60) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])  # noqa: S104 - refused
def test_other_machines_are_let_in_only_if_asked(host: str) -> None:
    code, _, err = command("serve", "--host", host)
    assert code == 2
    assert "add --allow-remote" in err


def test_an_address_that_this_machine_does_not_have_says_so() -> None:
    code, _, err = command("serve", "--host", "192.0.2.1", "--allow-remote", "--port", "0")
    assert code == 2
    assert "cannot listen on 192.0.2.1" in err


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "service.web.server", raising=False)
    code, _, err = command("serve")
    assert code == 2
    assert "pip install 'drs-sync[web]'" in err
