"""One sandbox per test module, synced once, behind a relay that spoils responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from service.aws import client as client_module
from tests.support.sandbox import EngineSandbox, Names, new_account_id, two_targets
from tests.wire.relay import SILENT, Relay, Request, relaying

COUNTS = {"eu-west-1": 3, "us-west-2": 8}


@dataclass(frozen=True)
class SpoiledSandbox:
    """A sandbox behind a relay that spoils responses.

    Account A has 6 servers in us-west-2 and 3 in eu-west-1, account B has 2 in us-west-2; this never changes.
    """

    sandbox: EngineSandbox
    relay: Relay

    @contextmanager
    def spoiling(self, name: str, matches: Callable[[Request], bool]) -> Iterator[None]:
        """Spoil the responses to matching requests; timeouts are short only for faults that end by a timeout."""
        with pytest.MonkeyPatch.context() as patch, self.relay.spoiling(name, matches):
            if name in SILENT:
                patch.setenv("READ_TIMEOUT_SECONDS", "1.2")
                patch.setattr(client_module, "_ATTEMPT_TIMEOUT_S", 2.0)  # instead of thirty seconds
            yield

    def nothing_lost(self) -> None:
        """Check that counts and items are complete after a fault."""
        assert self.sandbox.counts() == COUNTS
        assert len(self.sandbox.items()) == 11

    async def next_run_is_complete(self) -> None:
        """Check that the next sync is complete and clears the recorded errors."""
        report = await self.sandbox.sync()
        assert (report["status"], report["errors"]) == ("complete", [])
        assert not any("errorMessage" in row for row in self.sandbox.status().values())
        self.nothing_lost()


@pytest.fixture(scope="module")
def spoiled() -> Iterator[SpoiledSandbox]:
    with pytest.MonkeyPatch.context() as patch:
        names = Names(*(new_account_id() for _ in range(4)))
        with EngineSandbox(two_targets(names), names, patch) as sandbox, relaying(sandbox.server.port) as relay:
            sandbox.set(AWS_ENDPOINT_URL=f"http://127.0.0.1:{relay.port}", DRS_REGIONS="us-west-2,eu-west-1")
            sandbox.set(TOPOLOGY_READS_PER_SCOPE="0")
            patch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)  # as many retries, without the waiting
            report: dict[str, Any] = anyio.run(sandbox.sync)
            assert report["serversSynced"] == 11
            yield SpoiledSandbox(sandbox, relay)
