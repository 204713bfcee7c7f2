"""Fix of an endpoint that cannot be reached because AWS does not have it: the SDK's setting that chose its name.

The SDK makes the name of a FIPS or dual-stack endpoint for every region, also where AWS has none.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

__all__ = ["endpoint_fix"]

_SETTINGS: Final = (
    # Host names of AWS -> the setting that chose them. The name of a VPC endpoint begins with the endpoint's id.
    (re.compile(r"^\w+-fips\."), "use_fips_endpoint"),
    (re.compile(r"\.api\.(aws|amazonwebservices\.com\.cn|amazonwebservices\.eu)$"), "use_dualstack_endpoint"),
)


def endpoint_fix(error: Exception) -> str:
    """Return the fix where a setting chose the endpoint that cannot be reached; empty for every other error."""
    if not isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return ""
    host = urlsplit(str(error.kwargs.get("endpoint_url"))).hostname or ""
    chosen = [name for pattern, name in _SETTINGS if pattern.search(host)]
    if not chosen:
        return ""
    variables, members = " and ".join(f"AWS_{name.upper()}" for name in chosen), " and ".join(chosen)
    return (
        f"if AWS has no such endpoint in that region, unset {variables} ({members} in a profile), or exclude the "
        "region (DRS_EXCLUDED_REGIONS); if it has one, check DNS, egress and VPC endpoints of this host for that region"
    )
