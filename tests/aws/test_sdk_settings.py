"""Invalid settings of the SDK itself: each is a ConfigurationError that says what to fix, and nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore import useragent

from service.aws.client import AwsClient
from service.errors import AwsError, ConfigurationError
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

NONSENSE: dict[str, tuple[dict[str, str | None], str]] = {
    "an endpoint without a scheme": ({"AWS_ENDPOINT_URL": "localhost:5000"}, "AWS_.*Invalid endpoint: localhost:5000"),
    "a region": ({"AWS_REGION": "US East (Ohio)"}, r"AWS_.*'US East \(Ohio\)'"),
    "a kind of defaults": ({"AWS_DEFAULTS_MODE": "fast"}, "AWS_.*fast"),
    "endpoints of STS": ({"AWS_STS_REGIONAL_ENDPOINTS": "near"}, "AWS_.*near"),
    "no certificates": (
        {"AWS_CA_BUNDLE": "/no/such/file", "AWS_ENDPOINT_URL": "https://localhost:9"},
        "AWS_CA_BUNDLE: /no/such/file.*No such file",
    ),
    "certificates that are none": (
        {"AWS_CA_BUNDLE": __file__, "AWS_ENDPOINT_URL": "https://localhost:9"},
        "AWS_CA_BUNDLE: .*test_sdk_settings.py.*no certificate",
    ),
    "no such profile": ({"AWS_PROFILE": "nobody", "AWS_REGION": None, "AWS_DEFAULT_REGION": None}, "profile.*nobody"),
    "no profiles": (
        {"AWS_CONFIG_FILE": __file__, "AWS_REGION": None, "AWS_DEFAULT_REGION": None},
        "test_sdk_settings.py",
    ),
}


@pytest.mark.parametrize("case", NONSENSE)
async def test_it_is_reported_as_a_setting_to_fix(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables, message = NONSENSE[case]
    async with scripted_aws(lambda _: answer(), monkeypatch) as aws, AwsClient(Settings(), _now) as aws_client:
        for name, value in variables.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=f"^fix .*{message}"):
            await aws_client.identity()
        assert aws.requests == []


PROFILES = {
    "in a circle": "role_arn = arn:aws:iam::111122223333:role/hub\nsource_profile = q\n"
    "[profile q]\nrole_arn = arn:aws:iam::111122223333:role/hub\nsource_profile = p",
    "of nobody": "role_arn = arn:aws:iam::111122223333:role/hub\nsource_profile = nobody",
    "of no login": "sso_session = none\nsso_account_id = 111122223333\nsso_role_name = hub",
    "without a role": f"web_identity_token_file = {__file__}",
}


@pytest.mark.parametrize("text", PROFILES.values(), ids=PROFILES)
async def test_a_profile_that_leads_nowhere_gives_no_credentials(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(f"[profile p]\n{text}\n")
    async with scripted_aws(lambda _: answer(), monkeypatch) as aws:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "p")
        async with AwsClient(Settings(), _now) as aws_client:
            with pytest.raises(AwsError) as raised:
                await aws_client.identity()
        assert raised.value.code == "NoCredentials"
        assert aws.requests == []


@pytest.mark.parametrize("text", [b"no section\n", b"\xff\xfe[x"])
async def test_profiles_that_cannot_be_read_give_no_credentials(
    text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_bytes(text)
    async with scripted_aws(lambda _: answer(), monkeypatch) as aws, AwsClient(Settings(), _now) as aws_client:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        with pytest.raises(AwsError, match=f"the AWS configuration file {tmp_path}/config cannot be parsed") as raised:
            await aws_client.identity()
        assert raised.value.code == "NoCredentials"
        assert aws.requests == []


def _now() -> datetime:
    return datetime.now(UTC)


async def test_the_user_agent_of_the_sdk_is_not_put_together_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    put_together = useragent.modify_components

    def counted(components: Any) -> Any:
        nonlocal made
        made += 1
        return put_together(components)

    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "recovery-desk")
    monkeypatch.setattr(useragent, "modify_components", counted)
    async with scripted_aws(lambda _: answer({"items": []}), monkeypatch) as aws, AwsClient(Settings(), _now) as client:
        made_at = [
            (await client.hub().call("drs", "DescribeSourceServers", {}, region="us-east-1"), made)[1] for _ in range(3)
        ]
    agents = {request.headers["user-agent"] for request in aws.requests}
    assert len(aws.requests) == 3
    assert len(set(made_at)) == 1, "at the creation of the client only"
    (agent,) = agents
    assert "ua/2.1" in agent
    assert "app/recovery-desk" in agent
