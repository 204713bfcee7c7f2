"""Settings: the environment variables, read once into a frozen object. Only this module reads them.

AWS's own variables (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, ...) are not here:
the SDK reads them itself, once those without a value are removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from service.errors import ConfigurationError, UnknownScopeError
from service.models import ACCOUNT_ID_PATTERN, Scope
from service.partitions import PARTITIONS, Partition, has_region_form, is_region, partition_of
from service.text import printable, suggestion

__all__ = ["Settings", "load_settings", "remove_blank_aws_variables"]

# Of regions that the list of names in service/partitions.py lacks.
_REGION_PATTERN: Final = r"^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$"
NewRegions = tuple[Annotated[str, Field(pattern=_REGION_PATTERN)], ...]
Regions = tuple[str, ...]
_SCOPE_PATTERN: Final = rf"^{ACCOUNT_ID_PATTERN}/[^/]+$"
Scopes = tuple[Annotated[str, Field(pattern=_SCOPE_PATTERN)], ...]
_MAX_NAME: Final = 80
_MAX_NAMED: Final = 5  # wrong names that an error names
_ADDS: Final = "+"  # before a region's name: the region is added to the others
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
    protection_groups_table: str = Field(
        "",
        description="DynamoDB table of the platform's protection groups, which the query for the servers of a region"
        " reads; unset: it tells no assignment",
    )
    data_management_function_name: str = Field(
        "",
        description="Lambda function that refreshes stale scopes for queries; unset: its name follows from the query's",
    )
    cross_account_role_name: str = Field(
        "", description="the only role name that may be assumed in other accounts; unset: any, IAM permissions decide"
    )
    enter_recorded_accounts_only: bool = Field(
        False,  # noqa: FBT003 - the field's default
        description="roles are assumed only in accounts that the target accounts table names; off: also where source"
        " servers came from, as DRS says, to read their EC2 instances, and to validate an account",
    )
    project_name: str = Field(
        "drs-orchestration", description="first part of the tag sync rule's name, and the dimension Project of metrics"
    )
    environment: str = Field(
        "prod", description="last part of the tag sync rule's name, and the dimension Environment of metrics"
    )
    aws_lambda_function_name: str = Field(
        "", description="set by Lambda; logs and metrics go to stdout if it is set, else to stderr"
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="minimum level of this package's log messages: DEBUG, INFO, WARNING or ERROR, in any case",
    )

    drs_new_regions: NewRegions = Field(
        (),
        description="regions that AWS added after this version: a full scan covers them too, and their names are not"
        " checked",
    )
    drs_regions: Regions = Field(
        (), min_length=1, description="regions that a full scan covers; one written as `+name` is added to the default"
    )
    drs_extra_regions: Regions = Field((), description="regions that a full scan covers too")
    drs_excluded_regions: Regions = Field((), description="regions that are never scanned")
    drs_excluded_scopes: Scopes = Field(
        (), description="scopes that are never scanned, each as account/region: 111122223333/us-west-2"
    )

    region_status_cache_seconds: float = Field(
        60.0,
        ge=0,
        le=_YEAR_S,
        description="how long a process caches region status; a sync drops only the cache of its own process",
    )
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
    lag_objective_seconds: Seconds = Field(
        900.0, description="a server whose lag is longer is not ready (RPO); a tag of the server takes precedence"
    )
    lag_objective_tag: str = Field(
        "drs-sync:lag-objective",
        description="key of the tag with which a server has a lag objective of its own, such as 15m, 4h or PT15M",
    )
    drill_max_age_days: int = Field(
        180, ge=1, le=3650, description="a server whose last drill or recovery is older has no recent drill"
    )
    replicating_servers_per_region: int = Field(
        300, ge=1, description="DRS quota of replicating source servers per account and region"
    )
    staging_near_full_percent: int = Field(
        90, ge=1, le=100, description="from this share of the quota on, a staging account is near full"
    )
    event_bus_name: str = Field(
        "",
        description="EventBridge bus, by name or ARN, that gets an event for each change that matters; unset: none",
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
    credential_timeout_seconds: Seconds = Field(
        30.0,
        description="a `credential_process` of an AWS profile is ended after this time; every other source of the hub's"
        " credentials has half as long again",
    )
    scope_deadline_seconds: Seconds = Field(
        60.0, description="deadline of one scope; after it, the scope is reported as failed"
    )

    _partition: Partition | None = PrivateAttr(None)

    @model_validator(mode="before")
    @classmethod
    def _read_environment(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        from_environment = {name: text for name in cls.model_fields if (text := os.environ.get(name.upper()))}
        return {**from_environment, **given}

    @field_validator(
        "drs_new_regions",
        "drs_regions",
        "drs_extra_regions",
        "drs_excluded_regions",
        "drs_excluded_scopes",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("drs_regions", "drs_extra_regions", "drs_excluded_regions", "drs_excluded_scopes")
    @classmethod
    def _check_names(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        new = info.data.get("drs_new_regions", ())
        names = [each.removeprefix(_ADDS) if info.field_name == "drs_regions" else each for each in value]
        for name in (each.rpartition("/")[2] for each in names):
            if not (is_region(name) or name in new):
                raise ValueError(_no_region(name))
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _normalize_level(cls, value: object) -> object:
        level = value.strip().upper() if isinstance(value, str) else value
        return "WARNING" if level == "WARN" else level  # the short name is also one of Python's

    def at_hub(self, region: str) -> Settings:
        """Return these settings for a hub in a region, whose partition decides which regions there are; "" is unknown.

        Raises:
            ConfigurationError: a region to scan is in another partition, or none is known in the hub's.
        """
        if not region:
            return self
        settings = self.model_copy()
        settings._partition = hub = partition_of(region)  # noqa: SLF001 - of this class
        elsewhere = [each for each in settings.regions if is_region(each) and each not in hub.regions]
        if elsewhere:
            raise ConfigurationError(
                f"the hub is in {region}, in the partition {hub.name}, whose credentials are valid in no other. "
                f"Fix: remove {', '.join(elsewhere)} from DRS_REGIONS and DRS_EXTRA_REGIONS, or set AWS_REGION to the "
                "region of the tables"
            )
        if not settings.regions:
            raise ConfigurationError(
                f"the hub is in {region}, in the partition {hub.name}, where this version knows no region with DRS. "
                f"Fix: set DRS_REGIONS to the regions to scan: {' '.join(hub.regions)}"
            )
        return settings

    @property
    def partition(self) -> Partition:
        """The partition of the hub; `aws` before the hub is known."""
        return self._partition or PARTITIONS[0]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that a full scan covers, in order and each once, before any is excluded."""
        named = [each for each in self.drs_regions if not each.startswith(_ADDS)]
        added = [each.removeprefix(_ADDS) for each in self.drs_regions if each.startswith(_ADDS)]
        default = named or self.partition.drs_regions
        return tuple(dict.fromkeys((*default, *added, *self.drs_extra_regions, *self.drs_new_regions)))

    @property
    def catalog(self) -> tuple[str, ...]:
        """The regions of a full scan, in order, without duplicates and excluded regions."""
        return tuple(region for region in self.regions if region not in self.drs_excluded_regions)

    @property
    def known_regions(self) -> tuple[str, ...]:
        """Every region that may be requested: those of the hub's partition, and newer ones that the settings name."""
        return (*self.partition.regions, *self.drs_new_regions)

    def may_be_region(self, name: str) -> bool:
        """Whether a name is that of a region of the hub's partition, or may be that of one newer than this version."""
        is_newer = has_region_form(name) and not is_region(name) and partition_of(name) == self.partition
        return is_newer or name in self.known_regions

    def region_hint(self, name: str) -> str:
        """Return what to check after a failure in a region that this version does not know; empty for one it knows."""
        if name in self.known_regions:
            return ""
        similar = suggestion(name, self.known_regions)
        return f"this version knows no region {name}: {f'did you mean {similar}?' if similar else 'check the name'}"

    def check_regions(self, regions: Iterable[str], *, newer: bool = False) -> None:
        """Check that names are those of regions in the hub's partition.

        Args:
            regions: the names.
            newer: accept names that a region newer than this version may have.

        Raises:
            UnknownScopeError: some are not.
        """
        not_known = set(regions) - set(self.known_regions)
        unknown = sorted(name for name in not_known if not (newer and self.may_be_region(name)))
        if not unknown:
            return
        own = self.partition
        texts = [
            f"{name} is a region of the partition {partition_of(name).name}, and the hub is in {own.name}"
            if is_region(name)
            else _no_region(name, own)
            for name in unknown[:_MAX_NAMED]
        ]
        expected = f"a region of the partition {own.name}"
        details = {"parameter": "region", "value": printable(unknown[0])[:_MAX_NAME], "expected": expected}
        raise UnknownScopeError("; ".join(texts), details={**details, "error": texts[0]})

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


def _no_region(name: str, partition: Partition | None = None) -> str:
    """Say that a name is no region's, and which was probably meant."""
    accepted = [region for each in ((partition,) if partition else PARTITIONS) for region in each.regions]
    similar = suggestion(name, accepted)
    hint = f"; did you mean {similar}?" if similar else "."
    return (
        f"{printable(name)[:_MAX_NAME]!r} is no AWS region{hint} Fix: correct the name, or name a region that is newer "
        "than this version in DRS_NEW_REGIONS"
    )


def remove_blank_aws_variables() -> None:
    """Remove AWS_* variables without a value from the environment: the SDK reads some of them as the value "".

    An empty AWS_REGION would hide AWS_DEFAULT_REGION, an empty AWS_PROFILE would name a profile that does not exist.
    """
    for name in [name for name, text in os.environ.items() if name.startswith("AWS_") and not text.strip()]:
        del os.environ[name]


def load_settings() -> Settings:
    """Read the settings from the environment; the hub is in the region that `AWS_REGION` names, if it does.

    Raises:
        ConfigurationError: names each invalid variable, its value, and what is valid.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [
            f"{str(problem['loc'][0]).upper()}={problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ConfigurationError("fix these settings: " + "; ".join(lines)) from None
    # Without these, the region is that of the profile, which only the SDK can tell.
    named = (os.environ.get(name, "").strip() for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
    return settings.at_hub(next(filter(None, named), ""))
