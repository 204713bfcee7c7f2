"""The host of each service in one region of each partition, as AWS's General Reference lists them. Written by hand.

With FIPS in GovCloud, some services have no separate host: their only host has FIPS. China and the European Sovereign
Cloud have no FIPS hosts; DRS is not in China.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BOTH", "DUAL_STACK", "FIPS", "PLAIN", "table"]

PLAIN: Final = """
us-west-2       drs       drs.us-west-2.amazonaws.com
us-west-2       sts       sts.us-west-2.amazonaws.com
us-west-2       ec2       ec2.us-west-2.amazonaws.com
us-west-2       dynamodb  dynamodb.us-west-2.amazonaws.com
us-west-2       events    events.us-west-2.amazonaws.com
us-west-2       lambda    lambda.us-west-2.amazonaws.com
us-east-1       drs       drs.us-east-1.amazonaws.com
us-east-1       sts       sts.us-east-1.amazonaws.com
us-east-1       ec2       ec2.us-east-1.amazonaws.com
us-east-1       dynamodb  dynamodb.us-east-1.amazonaws.com
us-east-1       events    events.us-east-1.amazonaws.com
us-east-1       lambda    lambda.us-east-1.amazonaws.com
ap-east-1       drs       drs.ap-east-1.amazonaws.com
ap-east-1       sts       sts.ap-east-1.amazonaws.com
ap-east-1       ec2       ec2.ap-east-1.amazonaws.com
ap-east-1       dynamodb  dynamodb.ap-east-1.amazonaws.com
ap-east-1       events    events.ap-east-1.amazonaws.com
ap-east-1       lambda    lambda.ap-east-1.amazonaws.com
us-gov-west-1   drs       drs.us-gov-west-1.amazonaws.com
us-gov-west-1   sts       sts.us-gov-west-1.amazonaws.com
us-gov-west-1   ec2       ec2.us-gov-west-1.amazonaws.com
us-gov-west-1   dynamodb  dynamodb.us-gov-west-1.amazonaws.com
us-gov-west-1   events    events.us-gov-west-1.amazonaws.com
us-gov-west-1   lambda    lambda.us-gov-west-1.amazonaws.com
cn-north-1      sts       sts.cn-north-1.amazonaws.com.cn
cn-north-1      ec2       ec2.cn-north-1.amazonaws.com.cn
cn-north-1      dynamodb  dynamodb.cn-north-1.amazonaws.com.cn
cn-north-1      events    events.cn-north-1.amazonaws.com.cn
cn-north-1      lambda    lambda.cn-north-1.amazonaws.com.cn
eusc-de-east-1  drs       drs.eusc-de-east-1.amazonaws.eu
eusc-de-east-1  sts       sts.eusc-de-east-1.amazonaws.eu
eusc-de-east-1  ec2       ec2.eusc-de-east-1.amazonaws.eu
eusc-de-east-1  dynamodb  dynamodb.eusc-de-east-1.amazonaws.eu
eusc-de-east-1  events    events.eusc-de-east-1.amazonaws.eu
eusc-de-east-1  lambda    lambda.eusc-de-east-1.amazonaws.eu
"""

DUAL_STACK: Final = """
us-west-2       drs       drs.us-west-2.api.aws
us-west-2       sts       sts.us-west-2.api.aws
us-west-2       ec2       ec2.us-west-2.api.aws
us-west-2       dynamodb  dynamodb.us-west-2.api.aws
us-west-2       events    events.us-west-2.api.aws
us-west-2       lambda    lambda.us-west-2.api.aws
us-gov-west-1   drs       drs.us-gov-west-1.api.aws
us-gov-west-1   sts       sts.us-gov-west-1.api.aws
us-gov-west-1   ec2       ec2.us-gov-west-1.api.aws
us-gov-west-1   dynamodb  dynamodb.us-gov-west-1.api.aws
us-gov-west-1   events    events.us-gov-west-1.api.aws
us-gov-west-1   lambda    lambda.us-gov-west-1.api.aws
cn-north-1      sts       sts.cn-north-1.api.amazonwebservices.com.cn
cn-north-1      ec2       ec2.cn-north-1.api.amazonwebservices.com.cn
cn-north-1      dynamodb  dynamodb.cn-north-1.api.amazonwebservices.com.cn
cn-north-1      events    events.cn-north-1.api.amazonwebservices.com.cn
cn-north-1      lambda    lambda.cn-north-1.api.amazonwebservices.com.cn
eusc-de-east-1  drs       drs.eusc-de-east-1.api.amazonwebservices.eu
eusc-de-east-1  sts       sts.eusc-de-east-1.api.amazonwebservices.eu
eusc-de-east-1  ec2       ec2.eusc-de-east-1.api.amazonwebservices.eu
eusc-de-east-1  dynamodb  dynamodb.eusc-de-east-1.api.amazonwebservices.eu
eusc-de-east-1  events    events.eusc-de-east-1.api.amazonwebservices.eu
eusc-de-east-1  lambda    lambda.eusc-de-east-1.api.amazonwebservices.eu
"""

FIPS: Final = """
us-west-2       drs       drs-fips.us-west-2.amazonaws.com
us-west-2       sts       sts-fips.us-west-2.amazonaws.com
us-west-2       ec2       ec2-fips.us-west-2.amazonaws.com
us-west-2       dynamodb  dynamodb-fips.us-west-2.amazonaws.com
us-west-2       events    events-fips.us-west-2.amazonaws.com
us-west-2       lambda    lambda-fips.us-west-2.amazonaws.com
us-gov-west-1   drs       drs-fips.us-gov-west-1.amazonaws.com
us-gov-west-1   sts       sts.us-gov-west-1.amazonaws.com
us-gov-west-1   ec2       ec2.us-gov-west-1.amazonaws.com
us-gov-west-1   dynamodb  dynamodb.us-gov-west-1.amazonaws.com
us-gov-west-1   events    events.us-gov-west-1.amazonaws.com
us-gov-west-1   lambda    lambda-fips.us-gov-west-1.amazonaws.com
"""

BOTH: Final = """
us-west-2       drs       drs-fips.us-west-2.api.aws
us-west-2       sts       sts-fips.us-west-2.api.aws
us-west-2       ec2       ec2-fips.us-west-2.api.aws
us-west-2       dynamodb  dynamodb-fips.us-west-2.api.aws
us-west-2       events    events-fips.us-west-2.api.aws
us-west-2       lambda    lambda-fips.us-west-2.api.aws
us-gov-west-1   drs       drs-fips.us-gov-west-1.api.aws
us-gov-west-1   sts       sts-fips.us-gov-west-1.api.aws
us-gov-west-1   ec2       ec2-fips.us-gov-west-1.api.aws
us-gov-west-1   dynamodb  dynamodb-fips.us-gov-west-1.api.aws
us-gov-west-1   events    events.us-gov-west-1.api.aws
us-gov-west-1   lambda    lambda-fips.us-gov-west-1.api.aws
"""


def table(text: str) -> dict[str, dict[str, str]]:
    """Return region -> service -> host."""
    regions: dict[str, dict[str, str]] = {}
    for line in text.strip().splitlines():
        region, service, host = line.split()
        regions.setdefault(region, {})[service] = host
    return regions
