"""Settings from the environment: invalid values are rejected by name."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from service.errors import ConfigurationError
from service.settings import Settings, load_settings, remove_blank_aws_variables

CONTRACT_REGIONS = [
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2"),
    *("ap-east-1", "ap-south-1", "ap-south-2"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("me-south-1", "me-central-1", "af-south-1", "il-central-1"),
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert list(settings.catalog) == CONTRACT_REGIONS
    assert (settings.region_status_cache_seconds, settings.sync_interval_seconds) == (60.0, 900.0)
    assert settings.target_accounts_table == settings.drs_region_status_table == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGION_STATUS_CACHE_SECONDS", "-1"),
        ("REGION_STATUS_TIMEOUT_SECONDS", "0"),
        ("SYNC_INTERVAL_SECONDS", "soon"),
        ("SYNC_INTERVAL_SECONDS", "nan"),
        ("DISCOVERY_CALL_SHARE", "1.1"),
        ("DISCOVERY_CALL_SHARE", "0"),
        ("SCOPES_AT_ONCE", "0"),
        ("SCOPES_AT_ONCE", "501"),
        ("SCOPES_AT_ONCE", "2.5"),
        ("DRS_PAGE_SIZE", "0"),
        ("DRS_CALLS_AT_ONCE", "0"),
        ("TOPOLOGY_READS_PER_SCOPE", "-1"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_LEVEL", "critical"),
        ("DRS_REGIONS", "us-east-1,Mars"),
        ("DRS_REGIONS", "us-east"),
        ("DRS_EXCLUDED_REGIONS", "us-east-1; us-west-2"),
        ("DRS_EXCLUDED_SCOPES", "us-east-1"),
        ("DRS_EXCLUDED_SCOPES", "12345/us-east-1"),
        ("DRS_EXCLUDED_SCOPES", "111122223333:us-east-1"),
    ],
)
def test_a_bad_value_is_refused_and_its_variable_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}="):
        load_settings()


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("info", "INFO"),
        ("Debug", "DEBUG"),
        ("warn", "WARNING"),
        ("WARN", "WARNING"),
        (" error ", "ERROR"),
        ("", "INFO"),
    ],
)
def test_a_log_level_is_taken_in_any_case(monkeypatch: pytest.MonkeyPatch, value: str, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", value)
    assert load_settings().log_level == level


@pytest.mark.parametrize("blank", ["", " "])
def test_blank_variables_of_aws_count_as_not_set(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    for name in ("AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL_DRS"):
        monkeypatch.setenv(name, blank)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("LOG_LEVEL", "")
    before = set(os.environ)
    remove_blank_aws_variables()
    assert before - set(os.environ) == {"AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL_DRS"}


@pytest.mark.parametrize("name", ["DISCOVERY_WINDOW_SECONDS", "SYNC_INTERVAL_SECONDS"])
@pytest.mark.parametrize("value", ["inf", "1e300"])
def test_a_time_that_no_calendar_holds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}="):
        load_settings()


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRS_BURST", "none")
    monkeypatch.setenv("DRS_REGIONS", "us-east-1 nowhere")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert all(text in str(caught.value) for text in ("DRS_BURST=", "'none'", "DRS_REGIONS=", "'nowhere'"))


@pytest.mark.parametrize(
    ("value", "regions"),
    [
        ("us-east-1,us-west-2", ("us-east-1", "us-west-2")),
        (" us-east-1 , us-west-2\n", ("us-east-1", "us-west-2")),
        ("us-west-2 us-east-1", ("us-west-2", "us-east-1")),
        ("us-west-2,us-east-1,us-west-2,", ("us-west-2", "us-east-1")),
        ("us-gov-west-1 ap-southeast-7 eusc-de-east-1", ("us-gov-west-1", "ap-southeast-7", "eusc-de-east-1")),
        ("", tuple(CONTRACT_REGIONS)),
    ],
)
def test_regions_are_a_list_with_commas_or_blanks(
    monkeypatch: pytest.MonkeyPatch, value: str, regions: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DRS_REGIONS", value)
    assert load_settings().catalog == regions


@pytest.mark.parametrize("value", [" ", ",", " , "])
def test_a_list_of_no_regions_is_no_reason_to_scan_nothing(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DRS_REGIONS", value)
    with pytest.raises(ConfigurationError, match="DRS_REGIONS"):
        load_settings()


def test_excluded_regions_leave_the_catalog_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRS_REGIONS", "us-west-2,eu-west-1,us-east-1")
    monkeypatch.setenv("DRS_EXCLUDED_REGIONS", "eu-west-1 ap-east-1")
    assert load_settings().catalog == ("us-west-2", "us-east-1")


def test_what_a_sync_needs_is_required_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_ACCOUNTS_TABLE", "t")
    load_settings().require("target_accounts_table")
    with pytest.raises(ConfigurationError, match="SOURCE_SERVER_INVENTORY_TABLE") as caught:
        load_settings().require("target_accounts_table", "source_server_inventory_table")
    assert "TARGET_ACCOUNTS_TABLE" not in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load_settings().drs_burst = 5  # type: ignore[misc]  # the assignment under test
