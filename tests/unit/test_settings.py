"""Settings from the environment: invalid values are rejected by name."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from service.errors import ConfigurationError, UnknownScopeError
from service.partitions import PARTITIONS, Partition
from service.settings import Settings, load_settings, remove_blank_aws_variables
from service.text import printable

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
    for name in (*Settings.model_fields, "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert list(settings.catalog[: len(CONTRACT_REGIONS)]) == CONTRACT_REGIONS
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
        ("DRS_REGIONS", "us-wset-2"),
        ("DRS_REGIONS", "+"),
        ("DRS_EXTRA_REGIONS", "us-wset-2"),
        ("DRS_EXTRA_REGIONS", "+us-west-2"),
        ("DRS_NEW_REGIONS", "us_west_9"),
        ("DRS_EXCLUDED_REGIONS", "us-wset-2"),
        ("DRS_EXCLUDED_SCOPES", "111122223333/us-wset-2"),
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
        ("", PARTITIONS[0].drs_regions),
        ("+cn-north-1 us-east-1", ("us-east-1", "cn-north-1")),
        ("+us-gov-west-1", (*PARTITIONS[0].drs_regions, "us-gov-west-1")),
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


def test_a_mistyped_region_is_refused_with_the_most_similar_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRS_REGIONS", "us-wset-2")
    with pytest.raises(
        ConfigurationError, match=r"DRS_REGIONS.*'us-wset-2' is no AWS region; did you mean us-west-2\?"
    ):
        load_settings()


def test_regions_are_added_without_repeating_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings().catalog
    monkeypatch.setenv("DRS_EXTRA_REGIONS", "us-east-1 us-gov-east-1")
    monkeypatch.setenv("DRS_NEW_REGIONS", "xx-nowhere-9")
    assert load_settings().catalog == (*default, "us-gov-east-1", "xx-nowhere-9")
    monkeypatch.setenv("DRS_REGIONS", "us-west-2")
    assert load_settings().catalog == ("us-west-2", "us-east-1", "us-gov-east-1", "xx-nowhere-9")


def test_a_new_region_may_be_named_wherever_others_may(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DRS_NEW_REGIONS", "DRS_REGIONS", "DRS_EXCLUDED_REGIONS"):
        monkeypatch.setenv(name, "eu-west-9")
    assert (load_settings().regions, load_settings().catalog) == (("eu-west-9",), ())
    load_settings().check_regions(["eu-west-9", "eu-west-1"])


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.parametrize("partition", [each for each in PARTITIONS if each.drs_regions], ids=lambda each: each.name)
def test_the_default_is_every_region_of_drs_in_the_partition_of_the_hub(
    partition: Partition, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, partition.regions[-1])
    settings = load_settings()
    assert (settings.partition, settings.regions) == (partition, partition.drs_regions)
    assert settings == load_settings()


@pytest.mark.parametrize("name", ["DRS_REGIONS", "DRS_EXTRA_REGIONS"])
def test_a_region_of_another_partition_than_the_hubs_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    monkeypatch.setenv(name, "us-gov-east-1 us-west-2")
    with pytest.raises(ConfigurationError, match=r"partition aws-us-gov.*remove us-west-2 from DRS_REGIONS"):
        load_settings()


def test_a_partition_without_drs_needs_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "cn-north-1")
    with pytest.raises(ConfigurationError, match=r"partition aws-cn.*set DRS_REGIONS.*cn-north-1 cn-northwest-1"):
        load_settings()
    monkeypatch.setenv("DRS_REGIONS", "cn-north-1")
    assert load_settings().catalog == ("cn-north-1",)


@pytest.mark.parametrize(
    ("hub", "region", "message"),
    [
        ("us-east-1", "us-wset-2", "'us-wset-2' is no AWS region; did you mean us-west-2?"),
        ("us-gov-east-1", "us-gov-wset-1", "'us-gov-wset-1' is no AWS region; did you mean us-gov-west-1?"),
        ("us-east-1", "us-gov-west-1", "us-gov-west-1 is a region of the partition aws-us-gov, and the hub is in aws"),
        ("us-gov-east-1", "us-east-1", "us-east-1 is a region of the partition aws, and the hub is in aws-us-gov"),
        ("us-east-1", "", "'' is no AWS region. Fix"),
        ("us-east-1", "x\x1b[31m" * 40, "is no AWS region. Fix"),
    ],
)
def test_a_requested_region_has_to_be_one_of_the_hubs_partition(hub: str, region: str, message: str) -> None:
    settings = Settings(drs_regions=(hub,)).at_hub(hub)
    settings.check_regions(settings.partition.regions)  # whatever the catalog is
    with pytest.raises(UnknownScopeError) as caught:
        settings.check_regions((hub, region))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300
    assert (caught.value.details["parameter"], caught.value.details["value"]) == ("region", printable(region)[:80])


@pytest.mark.parametrize(
    ("hub", "region", "may_be", "hint"),
    [
        ("us-east-1", "us-west-2", True, ""),
        ("us-east-1", "us-west-3", True, "this version knows no region us-west-3: did you mean us-west-2?"),
        ("us-east-1", "zz-north-1", True, "zz-north-1: did you mean"),
        ("us-east-1", "xx-nowhere-9", True, ""),  # the settings name it
        ("us-east-1", "us-wset-2", False, "did you mean us-west-2?"),
        ("us-east-1", "us-gov-west-1", False, "us-gov-west-1"),
        ("us-east-1", "us-gov-north-1", False, "us-gov-north-1"),
        ("us-gov-east-1", "us-gov-north-1", True, "us-gov-north-1"),
        ("us-gov-east-1", "us-west-3", False, "us-west-3"),
    ],
)
def test_a_region_may_be_newer_than_this_version(hub: str, region: str, may_be: bool, hint: str) -> None:  # noqa: FBT001 - a table
    settings = Settings(drs_new_regions=("xx-nowhere-9",)).at_hub(hub)
    assert settings.may_be_region(region) is may_be
    assert hint in settings.region_hint(region)
    assert bool(hint) is bool(settings.region_hint(region))
    if may_be:
        settings.check_regions((region,), newer=True)
    else:
        with pytest.raises(UnknownScopeError):
            settings.check_regions((region,), newer=True)
