"""The environment, read once into one frozen object. The only reader of `os.environ` in this package.

AWS's own variables (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, ...) are not here:
the SDK reads them itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.errors import ConfigurationError

__all__ = ["DEFAULT_REGIONS", "Settings", "load_settings"]

# The aws partition as botocore 1.40 knows it. AWS has 34 by now, so the list is a setting, not a law.
DEFAULT_REGIONS: Final = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 "
    "eu-central-2 eu-north-1 eu-south-1 eu-south-2 ap-east-1 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 "
    "ap-southeast-3 ap-southeast-4 ap-northeast-1 ap-northeast-2 ap-northeast-3 me-south-1 me-central-1 af-south-1 "
    "il-central-1"
)
_REGION_PATTERN: Final = r"^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$"
Regions = tuple[Annotated[str, Field(pattern=_REGION_PATTERN)], ...]
_YEAR_S: Final = 31_536_000.0
Seconds = Annotated[float, Field(gt=0, le=_YEAR_S)]


class Settings(BaseModel):
    """Every setting, by the name of its environment variable in lower case; a variable that is empty is not set.

    pydantic-settings would read them as well; its import takes as long as a tenth of all others of a cold start.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    target_accounts_table: str = Field("", description="DynamoDB table of the accounts to sync; required to sync")
    source_server_inventory_table: str = Field("", description="DynamoDB table of the inventory; required to sync")
    drs_region_status_table: str = Field(
        "", description="DynamoDB table of region status; unset: every region is scanned"
    )
    tag_sync_config_table: str = Field(
        "", description="DynamoDB table of the tag sync's lock, memory and last result; unset: it has none of them"
    )
    data_management_function_name: str = Field(
        "", description="Lambda function that queries ask to refresh what is stale; unset: told by the query's own name"
    )
    cross_account_role_name: str = Field(
        "", description="the one role name that may be assumed in other accounts; unset: IAM alone decides"
    )
    project_name: str = Field("drs-orchestration", description="first part of the tag sync rule's name")
    environment: str = Field("prod", description="last part of the tag sync rule's name")
    aws_lambda_function_name: str = Field("", description="set by Lambda; decides where metrics are written")
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="of this package's own log lines"
    )

    drs_regions: Regions = Field(
        DEFAULT_REGIONS, min_length=1, validate_default=True, description="regions a full scan covers"
    )
    drs_excluded_regions: Regions = Field((), description="regions never looked at")

    region_status_cache_seconds: float = Field(
        60.0, ge=0, le=_YEAR_S, description="how long one read of region status serves"
    )
    region_status_timeout_seconds: Seconds = Field(5.0, description="a slower read falls back to every region")
    sync_interval_seconds: Seconds = Field(900.0, description="how often the inventory sync is scheduled")
    discovery_window_seconds: Seconds = Field(
        7200.0, description="within this every inactive region is looked at again"
    )
    discovery_call_share: float = Field(0.2, gt=0, le=1, description="discovery keeps scopes below this share of all")
    inventory_refresh_seconds: Seconds = Field(604_800.0, description="an unchanged item is rewritten this often")
    topology_reads_per_scope: int = Field(50, ge=0, description="GetReplicationConfiguration calls per scope and run")

    inventory_fresh_seconds: Seconds = Field(
        900.0, description="a scope looked at more recently than this is answered from the inventory"
    )
    query_deadline_seconds: Seconds = Field(20.0, description="a query answers with what it has after this long")
    extensions_at_once: int = Field(
        16, ge=1, le=200, description="servers extended at the same time per account and region"
    )
    failback_export: str = Field(
        "",
        description="file of the last `drs-sync failback --all`; answers `drs-sync failback` when the table does not",
    )
    heartbeat_file: str = Field(
        "", description="file that `drs-sync sync` touches every five seconds; the container's health check reads it"
    )
    servers_per_region: int = Field(
        4000, ge=1, description="DRS quota of source servers per account and region, extended ones included"
    )

    accounts_per_shard: int = Field(
        200, ge=1, description="a planned sync of more accounts is parted into runs of about this many, 50 runs at most"
    )
    scopes_at_once: int = Field(32, ge=1, le=500, description="(account, region) scopes worked on at the same time")
    calls_at_once: int = Field(64, ge=1, le=1000, description="AWS calls in flight, all accounts and regions together")
    drs_calls_per_second: float = Field(5.0, gt=0, description="start rate per account and region; AWS publishes none")
    drs_most_calls_per_second: float = Field(
        100.0, gt=0, description="rate per account and region that DRS calls may reach while nothing is throttled"
    )
    drs_burst: int = Field(10, ge=1, description="calls that may go out at once after a pause")
    drs_calls_at_once: int = Field(16, ge=1, description="DRS calls in flight per account and region")
    drs_page_size: int = Field(200, ge=1, le=1000, description="maxResults of DescribeSourceServers")
    connect_timeout_seconds: Seconds = Field(3.0, description="of one connection attempt")
    read_timeout_seconds: Seconds = Field(10.0, description="between two pieces of an answer")
    scope_deadline_seconds: Seconds = Field(60.0, description="a scope that takes longer is reported as failed")

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: text for name in cls.model_fields if (text := os.environ.get(name.upper()))}
        return {**found, **given}

    @field_validator("drs_regions", "drs_excluded_regions", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @property
    def catalog(self) -> tuple[str, ...]:
        """The regions a full scan covers, in order, without duplicates and without the excluded ones."""
        return tuple(dict.fromkeys(region for region in self.drs_regions if region not in self.drs_excluded_regions))

    def require(self, *names: str) -> None:
        """Check that settings are set.

        Raises:
            ConfigurationError: naming the environment variables to set.
        """
        missing = [name.upper() for name in names if not getattr(self, name)]
        if missing:
            raise ConfigurationError(
                f"set the environment variable {' and '.join(missing)} to the name of the DynamoDB table "
                '(see the README, "Point it at a real account")'
            )


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: naming each variable that is wrong, what it held, and what it may hold.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{str(problem['loc'][0]).upper()}={problem['input']!r}: {problem['msg']}" for problem in error.errors()
        ]
        raise ConfigurationError("mend these settings: " + "; ".join(lines)) from None
