"""Extension of many servers: the work beside the calls grows with their number and not faster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from service.errors import AwsError
from service.models import Call
from service.sync.extension_plan import Pair, Plan
from service.sync.staging.extend import Extension
from tests.support.counted import CountedText

PAIR: Final = Pair("111122223333", "222233334444", "us-west-2")


class Access:
    """Access to accounts whose every call fails."""

    deps = SimpleNamespace(settings=SimpleNamespace(check_regions=lambda *_, **__: None))

    async def writer(self, *_: str) -> Any:
        raise AwsError("InternalServerException", "no", Call("drs", "CreateExtendedSourceServer", *PAIR[::2]))

    async def reader(self, *_: str) -> Any:
        raise AwsError("InternalServerException", "no", Call("drs", "DescribeSourceServers", *PAIR[::2]))


@pytest.mark.parametrize("servers", [10, 400])
async def test_servers_whose_extension_is_unclear_are_not_searched_for(
    servers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountedText, "comparisons", 0)
    prefix = f"arn:aws:drs:{PAIR.region}:{PAIR.staging}:source-server"
    arns = tuple(CountedText(f"{prefix}/s-{number:017}") for number in range(servers))
    extension = Extension(Plan(PAIR, arns), cast("Any", Access()))
    await extension.apply(concurrency=4)
    assert extension.counts.failed == servers
    assert CountedText.comparisons <= 5 * servers
