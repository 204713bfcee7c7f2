"""Broken responses of STS for one account: only its scopes fail, and no credentials appear in reports or logs."""

from __future__ import annotations

import json
import re

import pytest

from tests.wire.conftest import SpoiledSandbox

pytestmark = pytest.mark.deep

SECRETS = re.compile(rb"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<")
CAUSES = {
    "silent in mid-body": "ReadTimeout",
    "dripping": "ReadTimeout",
    "cut in mid-body": "ConnectionLost",
    "length too small": "MalformedResponse or ConnectionLost",  # the surplus bytes spoil the next attempt
    "broken chunks": "ConnectionLost or ReadTimeout",
    "malformed": "MalformedResponse",
    "a page of a proxy": "MalformedResponse",
    "no HTTP": "ConnectionLost",
    "reset": "ConnectionLost",
}


@pytest.mark.parametrize("spoiler", CAUSES)
async def test_a_bad_answer_costs_its_account_alone(
    spoiler: str, spoiled: SpoiledSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    b = spoiled.sandbox.names.b
    with spoiled.spoiling(spoiler, lambda request: request.is_for("sts", text=b)):
        report = await spoiled.sandbox.sync()
    assert report["status"] == "partial"
    assert {(each["accountId"], each["service"], each["operation"]) for each in report["errors"]} == {
        (b, "sts", "AssumeRole")
    }
    (code,) = {each["code"] for each in report["errors"]}
    assert code in CAUSES[spoiler].split(" or ")
    assert report["serversSynced"] == 9
    entry = spoiled.sandbox.status()["us-west-2"]["accounts"][b]
    assert entry["serverCount"] == 2
    assert code in entry["errorMessage"]
    shown = f"{json.dumps(report)} {spoiled.sandbox.status()} {capsys.readouterr()}"
    secrets = {value.decode() for body in spoiled.relay.real_bodies for _, value in SECRETS.findall(body)}
    assert len(secrets) >= 3
    assert [secret for secret in secrets if secret in shown] == []
    spoiled.nothing_lost()
    await spoiled.next_run_is_complete()
