"""Settings: the environment variables, read once into a frozen object. Only this module reads `os.environ`.

AWS's own variables (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, ...) are not here:
the SDK reads them itself, once those without a value are removed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.errors import ConfigurationError
from service.models import ACCOUNT_ID_PATTERN, Scope

__all__ = ["DEFAULT_REGIONS", "Settings", "load_settings", "remove_blank_aws_variables"]

# DRS regions of the aws partition in botocore 1.40. AWS adds regions, so DRS_REGIONS can replace the list.
DEFAULT_REGIONS: Final = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 "
    "eu-central-2 eu-north-1 eu-south-1 eu-south-2 ap-east-1 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 "
    "ap-southeast-3 ap-southeast-4 ap-northeast-1 ap-northeast-2 ap-northeast-3 me-south-1 me-central-1 af-south-1 "
    "il-central-1"
)
_REGION_PATTERN: Final = r"^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$"
Regions = tuple[Annotated[str, Field(pattern=_REGION_PATTERN)], ...]
_SCOPE_PATTERN: Final = rf"^{ACCOUNT_ID_PATTERN}/{_REGION_PATTERN[1:]}"
Scopes = tuple[Annotated[str, Field(pattern=_SCOPE_PATTERN)], ...]
_YEAR_S: Final = 31_536_000.0
Seconds = Annotated[float, Field(gt=0, le=_YEAR_S)]


class Settings(BaseModel):
    """All settings; each is named like its environment variable, in lower case. An empty variable counts as not set.

    Read here and not by pydantic-settings, whose import would add a tenth to the import time of a cold start.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    target_accounts_table: str = Field("", description="DynamoDB table of the accounts to sync; required to sync")
    source_server_inventory_table: str = Field("", description="DynamoDB table of the inventory; required to sync")
    drs_region_status_table: str = Field(
        "", description="DynamoDB table of region status; unset: every region is scanned"
    )
    source_server_topology_table: str = Field(
        "",
        description="DynamoDB table of original topology, lineages, history, summaries and moving values; unset: the"
        " inventory's items keep the originals, and lag and backlog are as old as each item",
    )
    tag_sync_config_table: str = Field(
        "",
        description="DynamoDB table of the tag sync's lock, checkpoints and last result; unset: it keeps none of them",
    )
    data_management_function_name: str = Field(
        "",
        description="Lambda function that refreshes stale scopes for queries; unset: its name follows from the query's",
    )
    cross_account_role_name: str = Field(
        "", description="the only role name that may be assumed in other accounts; unset: any, IAM permissions decide"
    )
    project_name: str = Field("drs-orchestration", description="first part of the tag sync rule's name")
    environment: str = Field("prod", description="last part of the tag sync rule's name")
    aws_lambda_function_name: str = Field(
        "", description="set by Lambda; logs and metrics go to stdout if it is set, else to stderr"
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="minimum level of this package's log messages: DEBUG, INFO, WARNING or ERROR, in any case",
    )

    drs_regions: Regions = Field(
        DEFAULT_REGIONS, min_length=1, validate_default=True, description="regions that a full scan covers"
    )
    drs_excluded_regions: Regions = Field((), description="regions that are never scanned")
    drs_excluded_scopes: Scopes = Field(
        (), description="scopes that are never scanned, each as account/region: 111122223333/us-west-2"
    )

    region_status_cache_seconds: float = Field(60.0, ge=0, le=_YEAR_S, description="how long region status is cached")
    region_status_timeout_seconds: Seconds = Field(
        5.0, description="timeout of reading region status; after it, every region is scanned"
    )
    sync_interval_seconds: Seconds = Field(900.0, description="how often the inventory sync is scheduled")
    discovery_window_seconds: Seconds = Field(
        7200.0, description="every inactive region is scanned again within this time"
    )
    removal_rescan_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a scan that shows less than this share of the stored servers of a scope is repeated before any is"
        " removed",
    )
    discovery_call_share: float = Field(
        0.2, gt=0, le=1, description="discovery is sized to keep the scans of a sync below this share of all scopes"
    )
    inventory_refresh_seconds: Seconds = Field(
        604_800.0,
        description="how often an unchanged item is written again without DRS_REGION_STATUS_TABLE; with it, never",
    )
    topology_reads_per_scope: int = Field(
        50, ge=0, description="maximum GetReplicationConfiguration calls per scope and run"
    )

    inventory_fresh_seconds: Seconds = Field(
        900.0, description="queries read a scope from the inventory if its last scan is not older"
    )
    query_deadline_seconds: Seconds = Field(20.0, description="deadline of a query; it then returns what it has")
    extensions_at_once: int = Field(
        16, ge=1, le=200, description="servers extended at the same time per account and region"
    )
    failback_export: str = Field(
        "",
        description="file of the last `drs-sync failback --all`; used by `drs-sync failback` without the table",
    )
    heartbeat_file: str = Field(
        "", description="file that `drs-sync sync` touches every five seconds, for the container's health check"
    )
    adopt_staging_accounts: bool = Field(
        False,  # noqa: FBT003 - the field's default
        description="the staging sync adds staging accounts that only DRS names to their target's record, and extends "
        "from them; off: it reports them",
    )
    servers_per_region: int = Field(
        4000, ge=1, description="DRS quota of source servers per account and region, extended ones included"
    )

    accounts_per_shard: int = Field(
        200,
        ge=1,
        description="a scheduled sync of more accounts is divided into shards of about this many, at most 50 shards",
    )
    scopes_at_once: int = Field(32, ge=1, le=500, description="concurrency: scopes scanned at the same time")
    calls_at_once: int = Field(
        64, ge=1, le=1000, description="concurrency: AWS calls in flight, over all accounts and regions"
    )
    drs_calls_per_second: float = Field(
        5.0, gt=0, description="initial rate limit of DRS per account and region; AWS publishes none"
    )
    drs_most_calls_per_second: float = Field(
        100.0,
        gt=0,
        description="maximum rate limit of DRS per account and region, reached only if nothing is throttled",
    )
    drs_burst: int = Field(10, ge=1, description="burst of DRS calls after a pause")
    drs_calls_at_once: int = Field(16, ge=1, description="concurrency: DRS calls in flight per account and region")
    drs_page_size: int = Field(200, ge=1, le=1000, description="maxResults of DescribeSourceServers")
    connect_timeout_seconds: Seconds = Field(3.0, description="timeout of one connection attempt")
    read_timeout_seconds: Seconds = Field(10.0, description="timeout between two pieces of a response")
    scope_deadline_seconds: Seconds = Field(
        60.0, description="deadline of one scope; after it, the scope is reported as failed"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        from_environment = {name: text for name in cls.model_fields if (text := os.environ.get(name.upper()))}
        return {**from_environment, **given}

    @field_validator("drs_regions", "drs_excluded_regions", "drs_excluded_scopes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _normalize_level(cls, value: object) -> object:
        level = value.strip().upper() if isinstance(value, str) else value
        return "WARNING" if level == "WARN" else level  # the short name is also one of Python's

    @property
    def catalog(self) -> tuple[str, ...]:
        """The regions of a full scan, in order, without duplicates and excluded regions."""
        return tuple(dict.fromkeys(region for region in self.drs_regions if region not in self.drs_excluded_regions))

    @property
    def excluded_scopes(self) -> frozenset[Scope]:
        """The scopes that are never scanned, beside the excluded regions."""
        return frozenset(Scope(*scope.split("/", 1)) for scope in self.drs_excluded_scopes)

    def excludes(self, scope: Scope) -> bool:
        """Whether a scope is never scanned."""
        return scope.region in self.drs_excluded_regions or scope in self.excluded_scopes

    def require(self, *names: str) -> None:
        """Check that these settings are set.

        Raises:
            ConfigurationError: some are not; names their environment variables.
        """
        missing = [name.upper() for name in names if not getattr(self, name)]
        if missing:
            raise ConfigurationError(
                f"set the environment variable {' and '.join(missing)} to the name of the DynamoDB table "
                '(see the README, "Run it against real accounts")'
            )


def remove_blank_aws_variables() -> None:
    """Remove AWS_* variables without a value from the environment: the SDK reads some of them as the value "".

    An empty AWS_REGION would hide AWS_DEFAULT_REGION, an empty AWS_PROFILE would name a profile that does not exist.
    """
    for name in [name for name, text in os.environ.items() if name.startswith("AWS_") and not text.strip()]:
        del os.environ[name]


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigurationError: names each invalid variable, its value, and what is valid.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{str(problem['loc'][0]).upper()}={problem['input']!r}: {problem['msg']}" for problem in error.errors()
        ]
        raise ConfigurationError("fix these settings: " + "; ".join(lines)) from None
