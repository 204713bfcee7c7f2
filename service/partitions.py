"""Partitions of AWS: their regions, those of them in which there is DRS, and their domains. Pure.

Constants, because the SDK's own data takes longer to load than a cold start may; a test compares them with the SDK.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["PARTITIONS", "Partition", "has_region_form", "is_region", "partition_of"]


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition.

    Args:
        name: second part of its ARNs.
        domain: end of its host names.
        pattern: regular expression of its region names, also of those that AWS adds later.
        drs_regions: regions with DRS.
        other_regions: regions without DRS.
    """

    name: str
    domain: str
    pattern: str
    drs_regions: tuple[str, ...] = ()
    other_regions: tuple[str, ...] = ()

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region."""
        return (*self.drs_regions, *self.other_regions)


_AWS: Final = Partition(
    "aws",
    "amazonaws.com",
    r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+",
    (
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-central-2"),
        *("eu-north-1", "eu-south-1", "eu-south-2"),
        *("ap-east-1", "ap-south-1", "ap-south-2"),
        *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *("me-south-1", "me-central-1", "af-south-1", "il-central-1"),
        *("ca-west-1", "mx-central-1", "ap-east-2", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7"),
    ),
)
PARTITIONS: Final = (
    _AWS,
    Partition("aws-us-gov", "amazonaws.com", r"us-gov-\w+-\d+", ("us-gov-east-1", "us-gov-west-1")),
    Partition("aws-eusc", "amazonaws.eu", r"eusc-(de)-\w+-\d+", ("eusc-de-east-1",)),
    Partition("aws-cn", "amazonaws.com.cn", r"cn-\w+-\d+", (), ("cn-north-1", "cn-northwest-1")),
    Partition("aws-iso", "c2s.ic.gov", r"us-iso-\w+-\d+", (), ("us-iso-east-1", "us-iso-west-1")),
    Partition("aws-iso-b", "sc2s.sgov.gov", r"us-isob-\w+-\d+", (), ("us-isob-east-1", "us-isob-west-1")),
    Partition("aws-iso-e", "cloud.adc-e.uk", r"eu-isoe-\w+-\d+", (), ("eu-isoe-west-1",)),
    Partition("aws-iso-f", "csp.hci.ic.gov", r"us-isof-\w+-\d+", (), ("us-isof-east-1", "us-isof-south-1")),
)
"""Every partition that the pinned SDK knows."""

# As AWS forms every name so far: geography, direction, digit. Most typing errors do not fit.
_FORM: Final = re.compile(
    r"([a-z]{2}(-gov|-iso[a-z]?)?|eusc-[a-z]{2})"
    r"-(central|north|south|east|west|northeast|northwest|southeast|southwest)-[1-9]"
)
_BY_REGION: Final = {region: partition for partition in PARTITIONS for region in partition.regions}


def is_region(name: str) -> bool:
    """Whether a name is that of a region that the pinned SDK knows, in any partition."""
    return name in _BY_REGION


def has_region_form(name: str) -> bool:
    """Whether a name is formed as those of regions are, so that a region newer than the pinned SDK may have it."""
    return _FORM.fullmatch(name) is not None


def partition_of(region: str) -> Partition:
    """Return the partition of a region: by its name, for a new region by its pattern, else `aws` as the SDK does."""
    if region in _BY_REGION:
        return _BY_REGION[region]
    return next((each for each in PARTITIONS if re.fullmatch(each.pattern, region, re.ASCII)), _AWS)
