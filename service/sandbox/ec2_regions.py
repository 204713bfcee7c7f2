"""EC2 DescribeRegions with the opt-in status of each account: moto gives every account the same one."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from botocore.session import Session

from service.sandbox.aws_protocols import Call, Response, xml_response

__all__ = ["describe_regions"]

# Regions launched before 2019 are enabled in every account; all later ones are opt-in.
_ENABLED_BY_DEFAULT: Final = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    }
)
_FILTER_NAME: Final = re.compile(r"Filter\.(\d+)\.Name")


@cache
def _known_regions(partition: str) -> tuple[str, ...]:
    return tuple(Session().get_available_regions("ec2", partition))


def describe_regions(call: Call, disabled_regions: frozenset[str]) -> Response:
    """Return the response to DescribeRegions, with AllRegions, RegionName and filters opt-in-status and region-name."""
    region_names = {value for key, value in call.form.items() if key.startswith("RegionName.")}
    includes_disabled = call.form.get("AllRegions", "").lower() == "true" or bool(region_names)
    filters = _filters(call)
    items = []
    for name in _known_regions("aws-us-gov" if call.region.startswith("us-gov-") else "aws"):
        status = _opt_in_status(name, disabled_regions)
        is_listed = includes_disabled or status != "not-opted-in"
        filterable = {"opt-in-status": status, "region-name": name}
        if (
            is_listed
            and (not region_names or name in region_names)
            and all(filterable.get(key) in values for key, values in filters.items())
        ):
            items.append(
                f"<item><regionName>{name}</regionName><regionEndpoint>ec2.{name}.amazonaws.com</regionEndpoint>"
                f"<optInStatus>{status}</optInStatus></item>"
            )
    return xml_response(
        200,
        '<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>sandbox</requestId>'
        f"<regionInfo>{''.join(items)}</regionInfo></DescribeRegionsResponse>",
    )


def _opt_in_status(name: str, disabled_regions: frozenset[str]) -> str:
    if name in disabled_regions:
        return "not-opted-in"
    return "opt-in-not-required" if name in _ENABLED_BY_DEFAULT or name.startswith("us-gov-") else "opted-in"


def _filters(call: Call) -> dict[str, set[str]]:
    filters: dict[str, set[str]] = {}
    for key, name in call.form.items():
        match = _FILTER_NAME.fullmatch(key)
        if match:
            prefix = f"Filter.{match[1]}.Value."
            filters[name] = {value for other, value in call.form.items() if other.startswith(prefix)}
    return filters
