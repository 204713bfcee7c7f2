"""Partitions and regions are those of the pinned SDK: the comparison fails when the SDK knows more."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.loaders import Loader

from service.partitions import PARTITIONS, has_region_form, is_region, partition_of
from service.queries.failback.steps import download_url
from tests.unit.test_settings import CONTRACT_REGIONS

SDK: dict[str, dict[str, Any]] = {each["partition"]: each for each in Loader().load_data("endpoints")["partitions"]}


def test_the_partitions_are_those_of_the_sdk() -> None:
    assert {each.name for each in PARTITIONS} == set(SDK)


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each.name)
def test_a_partition_has_the_regions_and_the_domain_that_the_sdk_knows(partition: Any) -> None:
    sdk = SDK[partition.name]
    assert partition.domain == sdk["dnsSuffix"]
    assert f"^{partition.pattern}$" == sdk["regionRegex"].replace("\\-", "-")
    drs = botocore.session.get_session().get_available_regions("drs", partition.name)
    assert sorted(partition.drs_regions) == sorted(drs)
    assert sorted(partition.regions) == sorted(sdk["regions"])


def test_the_regions_of_the_contract_are_among_those_with_drs() -> None:
    assert set(CONTRACT_REGIONS) <= set(partition_of("us-east-1").drs_regions)


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each.name)
def test_a_region_belongs_to_the_partition_that_lists_it(partition: Any) -> None:
    assert {partition_of(region) for region in partition.regions} == {partition}
    assert all(map(is_region, partition.regions))


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda each: each.name)
def test_every_region_has_the_form_of_one(partition: Any) -> None:
    assert [region for region in partition.regions if not has_region_form(region)] == []


@pytest.mark.parametrize(
    ("name", "has_form"),
    [
        ("us-west-3", True),
        ("nz-north-1", True),
        ("ap-southeast-9", True),
        ("us-gov-north-1", True),
        ("us-wset-2", False),
        ("us-west-2a", False),
        ("us-west-0", False),
        ("us-west-22", False),
        ("us-west-", False),
        ("us_west_2", False),
        ("US-WEST-2", False),
        ("us-west-2\n", False),
        ("us-west-2.evil.example", False),
        ("us-west-\u0662", False),
        ("mars-north-1", False),
        ("", False),
    ],
)
def test_a_name_that_no_region_can_have_is_told_from_one_that_a_new_region_may_have(name: str, has_form: bool) -> None:  # noqa: FBT001 - a table
    assert has_region_form(name) is has_form


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("eu-west-9", "aws"),
        ("us-gov-north-1", "aws-us-gov"),
        ("eusc-de-west-1", "aws-eusc"),
        ("cn-south-1", "aws-cn"),
        ("xx-nowhere-9", "aws"),
        ("us-gov-west-1\n", "aws"),
        ("", "aws"),
    ],
)
def test_a_new_region_belongs_to_the_partition_whose_pattern_it_has(region: str, name: str) -> None:
    assert (partition_of(region).name, is_region(region)) == (name, False)


@pytest.mark.parametrize(
    ("region", "domain"),
    [("us-east-1", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"), ("eusc-de-east-1", "amazonaws.eu")],
)
def test_files_of_drs_are_in_the_domain_of_the_partition(region: str, domain: str) -> None:
    url = f"https://aws-elastic-disaster-recovery-{region}.s3.{region}.{domain}/latest/linux/x"
    assert download_url(region, "linux/x") == url
