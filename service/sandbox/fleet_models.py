"""Models of a declared fleet: accounts, regions, roles and servers, and the references between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from service.sandbox.draw import MAX_SERVERS, Draw
from service.sandbox.faults import AccountId, Faults, RegionName, Strict
from service.sandbox.policies import TrustPolicy
from service.sandbox.saved_scopes import SavedScope

__all__ = [
    "Account",
    "ExtendedFrom",
    "Fleet",
    "Fragment",
    "Hub",
    "Instance",
    "Origin",
    "Region",
    "Role",
    "Server",
    "Tables",
]

ReplicationState = Literal[
    "STOPPED",
    "INITIATING",
    "INITIAL_SYNC",
    "BACKLOG",
    "CREATING_SNAPSHOT",
    "CONTINUOUS",
    "PAUSED",
    "RESCAN",
    "STALLED",
    "DISCONNECTED",
]


FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Hub(Strict):
    """Hub account, in which the sync runs. It owns the tables and every access key that STS did not issue."""

    account_id: AccountId
    region: RegionName = "us-east-1"
    name: str = "Hub"
    principal_arn: str = Field(
        "", description="ARN of the user or role that calls, for conditions of trust policies; default: a user"
    )
    organization_id: str = Field("", description="organisation that the hub belongs to; default: none")
    registered: bool = Field(default=True, description="has a row in the target-accounts table")
    functions: tuple[FunctionName, ...] | None = Field(
        None, description="Lambda functions that can be invoked; default: those of the platform"
    )
    tag_sync_rule: bool = Field(default=True, description="has the EventBridge rule that starts the tag sync")


class Tables(Strict):
    """Name parts of the hub's tables and other resources: `<project_name>-<base>-<environment>`."""

    project_name: str = Field("drs-orchestration", alias="prefix", pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    environment: str = Field("sandbox", pattern=r"^[A-Za-z0-9_.-]{1,30}$")

    def name_of(self, base: str) -> str:
        """Return the full name of one table, function or rule."""
        return f"{self.project_name}-{base}-{self.environment}"


def _checked_trust(document: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if document is not None:
        TrustPolicy.parse(document)
    return document


class Role(Strict):
    """Role that the hub may assume in an account."""

    name: str = Field("DRSOrchestrationRole", pattern=r"^[\w+=,.@-]{1,64}$")
    external_id: str | None = Field("drs-orchestration-cross-account", min_length=2, max_length=1224)
    max_session_s: int = Field(3600, ge=3600, le=43200)
    trust_policy: Annotated[Mapping[str, Any] | None, AfterValidator(_checked_trust)] = Field(
        None, description="trust policy of the role; default: the hub's account, with the external id"
    )


class Origin(Strict):
    """Account, region and zone in which the EC2 instances of source servers run."""

    account_id: AccountId | None = None
    region: RegionName | None = None
    availability_zone: str | None = None


class Server(Strict):
    """One source server; members that are not declared get plausible values."""

    hostname: str | None = None
    state: ReplicationState | None = None
    on_premises: bool = False
    origin: Origin | None = None
    tags: Mapping[str, str] = {}
    drs_tags: Mapping[str, str] = {}
    record: Mapping[str, Any] = Field({}, description="DescribeSourceServers members that override the generated ones")


class ExtendedFrom(Strict):
    """Number of servers of a staging account that are extended into this account, in the same region."""

    account_id: AccountId
    count: Annotated[int | None, Field(ge=0), BeforeValidator(lambda value: None if value == "all" else value)] = None


_UNDECLARED: Final = Server()  # shared by all such servers: a fleet may have 100,000


def _servers(value: object) -> object:
    """Expand a number of servers into that many servers without declared members."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SERVERS:
        return (_UNDECLARED,) * value
    if isinstance(value, (list, tuple)):
        return value
    raise ValueError(f"give a number of servers from 0 to {MAX_SERVERS}, or a list of servers")


class Region(Strict):
    """DRS in one region of an account. In a region that is not declared, DRS is not initialized."""

    initialized: bool = True
    servers: Annotated[tuple[Server, ...], BeforeValidator(_servers)] = ()
    on_premises: int = Field(0, ge=0, le=MAX_SERVERS, description="further servers, which are not EC2 instances")
    templates: int = Field(1, ge=0, le=10, description="replication configuration templates")
    origin: Origin = Origin()
    states: Mapping[ReplicationState, Annotated[int, Field(ge=1)]] = Field(
        {"CONTINUOUS": 1}, min_length=1, description="weight of each state, for servers that declare none"
    )
    hostname_prefix: str = Field("app", pattern=r"^[A-Za-z0-9-]{1,40}$")
    tags: Mapping[str, str] = Field({}, description="on every EC2 instance; they override the generated ones")
    drs_tags: Mapping[str, str] = Field({}, description="on every source server")
    tags_in_drs: int = Field(0, ge=0, description="number of EC2 servers whose DRS tags equal their instance's tags")
    extended_from: tuple[ExtendedFrom, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.initialized and (self.servers or self.on_premises or self.extended_from):
            raise ValueError(
                "a region that is not initialized has no servers. Fix: set initialized to true or remove them"
            )
        return self

    @property
    def number(self) -> int:
        """Number of servers, without extended ones."""
        return len(self.servers) + self.on_premises

    def all_servers(self) -> Iterator[Server]:
        """Iterate over the declared servers, then the on-premises ones."""
        yield from self.servers
        yield from [Server(on_premises=True)] * self.on_premises

    def distinct_servers(self) -> Collection[Server]:
        """Return the servers that were declared apart, without those that share one declaration."""
        return {id(server): server for server in self.servers}.values()


class Instance(Strict):
    """One EC2 instance that is not a source server: nobody protects it, or DRS runs it for itself."""

    name: str = Field("", description="its Name tag; default: a generated one, or that which DRS gives")
    tags: Mapping[str, str] = {}
    state: Literal["running", "stopped", "terminated"] = "running"
    launched_by_drs: Literal["replication", "conversion", "recovery"] | None = Field(
        None, description="what DRS runs it for; it then has the tags that DRS sets"
    )


def _instances(value: object) -> object:
    """Expand a number of instances into that many instances without declared members."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SERVERS:
        return ({},) * value
    if isinstance(value, (list, tuple)):
        return value
    raise ValueError(f"give a number of instances from 0 to {MAX_SERVERS}, or a list of instances")


Kind = Literal["target", "staging", "application"]


class Account(Strict):
    """One account: its role, its disabled regions and its DRS regions."""

    account_id: AccountId
    name: str = ""
    kinds: Annotated[tuple[Kind, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)] = (
        Field(("target",), alias="kind", min_length=1)
    )
    role: Role | None = Role()
    regions_off: frozenset[RegionName] = Field(frozenset(), description="opt-in regions this account has not enabled")
    regions: Mapping[RegionName, Region] = {}
    instances: Mapping[RegionName, Annotated[tuple[Instance, ...], BeforeValidator(_instances)]] = Field(
        {}, description="further EC2 instances by region, beside those of source servers"
    )
    registered: bool | None = Field(None, description="has a row in target-accounts; default: target accounts have one")
    staging_accounts: tuple[AccountId, ...] = ()

    @property
    def title(self) -> str:
        """The account's name, or `Account <id>` when it has none."""
        return self.name or f"Account {self.account_id}"

    @property
    def has_row(self) -> bool:
        """Whether the account has a row in the target-accounts table."""
        return "target" in self.kinds if self.registered is None else self.registered


class Fragment(Strict):
    """Addition to a fleet: new accounts, and further regions or servers of known accounts."""

    accounts: tuple[Account, ...] = Field(min_length=1)


class Fleet(Strict):
    """Complete fleet: hub, tables, accounts and faults."""

    hub: Hub
    tables: Tables = Tables()
    accounts: tuple[Account, ...] = ()
    draw: Draw | None = Field(None, description="further accounts, drawn from a seed")
    faults: Faults = Faults()
    auto_advance: bool = Field(default=True, description="reads move the states of DRS; false: only its clock does")
    saved: tuple[SavedScope, ...] = Field((), description="what accounts have, as `GET /sandbox/fleet` exports it")
    not_saved: tuple[str, ...] = Field((), description="what such an export does not have; it changes nothing")

    def account(self, account_id: str) -> Account | None:
        """Return a declared account, or None."""
        return next((account for account in self.accounts if account.account_id == account_id), None)

    @property
    def data_management_function(self) -> str:
        """Name of the data management Lambda function, whether or not the hub has it."""
        return self.tables.name_of("data-management-handler")

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the Lambda functions in the hub's region."""
        platform = (self.data_management_function, self.tables.name_of("query-handler"))
        return platform if self.hub.functions is None else self.hub.functions

    @property
    def account_ids(self) -> frozenset[str]:
        """All accounts a sandbox of this fleet owns: the hub, declared accounts, and origins of servers."""
        ids = {self.hub.account_id, *(each.account_id for each in self.saved)}
        for account in self.accounts:
            ids.add(account.account_id)
            for region in account.regions.values():
                origins = [region.origin, *(server.origin for server in region.distinct_servers())]
                ids.update(origin.account_id for origin in origins if origin and origin.account_id)
        return frozenset(ids)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({(each.account_id, each.region) for each in self.saved}) < len(self.saved):
            raise ValueError("an account and region is saved twice. Fix: merge the entries")
        ids = [account.account_id for account in self.accounts]
        for account_id in ids:
            if ids.count(account_id) > 1:
                raise ValueError(f"account {account_id} is declared twice. Fix: merge the entries")
        for account in self.accounts:
            for staging_id in account.staging_accounts:
                if staging_id not in ids:
                    raise ValueError(
                        f"staging account {staging_id} of {account.account_id} is not declared. Fix: add it to accounts"
                    )
            for region_name, region in account.regions.items():
                for source in region.extended_from:
                    self._check_source(account, region_name, source)
                self._check_quota(account, region_name, region)
        return self

    def _check_quota(self, account: Account, region_name: str, region: Region) -> None:
        total = region.number
        for source in region.extended_from:
            staging = self.account(source.account_id)
            own = staging.regions[region_name].number if staging else 0
            total += own if source.count is None else min(source.count, own)
        if region.extended_from and total > MAX_SERVERS:
            raise ValueError(
                f"account {account.account_id} has {total} servers in {region_name} with those that it extends, and "
                f"DRS allows {MAX_SERVERS}. Fix: extend fewer"
            )

    def _check_source(self, account: Account, region_name: str, source: ExtendedFrom) -> None:
        staging = self.account(source.account_id)
        region = staging.regions.get(region_name) if staging else None
        if staging is account or region is None or not region.initialized:
            raise ValueError(
                f"account {account.account_id} extends servers of {source.account_id} in {region_name}, but no other "
                f"account of that id has {region_name} initialized. Fix: declare that region there"
            )
