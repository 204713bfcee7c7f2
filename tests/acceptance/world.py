"""Environment of one test: a hub, accounts and tables of its own, and the command run in it as a user would."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore.config import Config

from tests.acceptance.endpoint import TESTER_KEY, Aws, Call, Credentials, Instance, Role, Scope, Trap
from tests.support.command import CHECKOUT, COMMAND

__all__ = ["EXTERNAL_ID", "Run", "Tables", "World", "instance_id_of", "make_server", "plain", "timeless"]

EXTERNAL_ID: Final = "drs-orchestration-cross-account"
_HOME: Final = "us-east-1"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_accounts: Final = itertools.count(100000000001)


def _hex(*parts: object, length: int = 17) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]


def instance_id_of(account: str, region: str, number: int) -> str:
    """Return the id of the EC2 instance of a server that `make_server` made."""
    return f"i-{_hex('ec2', account, region, number)}"


def make_server(
    account: str, region: str, number: int, *, origin_account: str = "", origin_region: str = "us-east-2"
) -> dict[str, Any]:
    """Make a complete SourceServer record of a server that was never launched."""
    server_id = f"s-{_hex(account, region, number)}"
    return {
        "sourceServerID": server_id,
        "arn": f"arn:aws:drs:{region}:{account}:source-server/{server_id}",
        "agentVersion": "6.21.0.2024.197.1043",
        "tags": {"Name": f"app-{number:04}", "Drs": "yes"},
        "replicationDirection": "FAILOVER",
        "lastLaunchResult": "NOT_STARTED",
        "sourceNetworkID": f"sn-{_hex('net', account, region)}",
        "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": account},
        "sourceCloudProperties": {
            "originAccountID": origin_account or account,
            "originRegion": origin_region,
            "originAvailabilityZone": f"{origin_region}a",
        },
        "dataReplicationInfo": {
            "dataReplicationState": "CONTINUOUS",
            "lagDuration": "P0D",
            "stagingAvailabilityZone": f"{region}b",
            "replicatedDisks": [
                {
                    "deviceName": "/dev/nvme0n1",
                    "totalStorageBytes": 34359738368,
                    "replicatedStorageBytes": 34359738368,
                    "rescannedStorageBytes": 0,
                    "backloggedStorageBytes": 0,
                    "volumeStatus": "REGULAR",
                }
            ],
        },
        "lifeCycle": {
            "addedToServiceDateTime": "2026-03-02T08:13:58.402Z",
            "firstByteDateTime": "2026-03-02T08:31:44.000Z",
            "elapsedReplicationDuration": "P266DT3H21M9.512S",
            "lastSeenByServiceDateTime": "2026-11-23T11:34:53.114Z",
        },
        "sourceProperties": {
            "lastUpdatedDateTime": "2026-11-23T06:00:12.000Z",
            "recommendedInstanceType": "m6i.xlarge",
            "supportsNitroInstances": True,
            "ramBytes": 16777216000,
            "os": {"fullString": "Linux version 6.1.112-122.189.amzn2023.x86_64"},
            "identificationHints": {
                "awsInstanceID": instance_id_of(account, region, number),
                "hostname": f"host-{number:04}",
                "fqdn": f"host-{number:04}.example.internal",
            },
            "cpus": [{"cores": 4, "modelName": "Intel(R) Xeon(R)"}, {"cores": 2, "modelName": "Intel(R) Xeon(R)"}],
            "disks": [{"deviceName": "/dev/nvme0n1", "bytes": 34359738368}],
            "networkInterfaces": [{"macAddress": "0e:1f:2a:3b:4c:5d", "ips": ["10.10.4.21"], "isPrimary": True}],
        },
    }


@dataclass(frozen=True, slots=True)
class Run:
    """Exit code, stdout and stderr of one run of the command."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON document on stdout; anything else on stdout fails the test."""
        document = json.loads(self.out)
        assert isinstance(document, dict), self.out
        return document

    @property
    def failed_accounts(self) -> set[str]:
        """Account ids in the errors of the report."""
        return {error["accountId"] for error in self.report["errors"]}

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metric lines on stderr."""
        lines = [line for line in self.err.splitlines() if '"_aws"' in line]
        return [json.loads(line[line.index("{") :]) for line in lines]


@dataclass(frozen=True, slots=True)
class Tables:
    """Names of a set of tables."""

    accounts: str
    inventory: str
    status: str
    topology: str

    @classmethod
    def named(cls, suffix: str) -> Tables:
        return cls(
            f"t-target-accounts-{suffix}",
            f"t-source-server-inventory-{suffix}",
            f"t-drs-region-status-{suffix}",
            f"t-source-server-topology-{suffix}",
        )

    def environment(self) -> dict[str, str]:
        return {
            "TARGET_ACCOUNTS_TABLE": self.accounts,
            "SOURCE_SERVER_INVENTORY_TABLE": self.inventory,
            "DRS_REGION_STATUS_TABLE": self.status,
            "SOURCE_SERVER_TOPOLOGY_TABLE": self.topology,
        }


def _make_table(client: Any, name: str, keys: Sequence[str], indexes: Mapping[str, Sequence[str]]) -> None:
    def schema(names: Sequence[str]) -> list[dict[str, str]]:
        return [{"AttributeName": each, "KeyType": kind} for each, kind in zip(names, ("HASH", "RANGE"), strict=False)]

    attributes = sorted({*keys, *itertools.chain.from_iterable(indexes.values())})
    more = {
        "GlobalSecondaryIndexes": [
            {"IndexName": index, "KeySchema": schema(names), "Projection": {"ProjectionType": "ALL"}}
            for index, names in indexes.items()
        ]
    }
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=schema(keys),
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in attributes],
        **(more if indexes else {}),
    )


@dataclass(slots=True)
class World:
    """A hub with its accounts and tables, separate from those of other tests."""

    aws: Aws
    hub: str = field(default_factory=lambda: str(next(_accounts)))
    accounts: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    _resource: Any = None
    _sets: int = 0
    credentials: Credentials = field(init=False)
    tables: Tables = field(init=False)

    def __post_init__(self) -> None:
        self.credentials = self.aws.hub(self.hub)
        self.accounts.append(self.hub)
        session = boto3.Session(aws_access_key_id=TESTER_KEY, aws_secret_access_key="x", region_name=_HOME)
        self._resource = session.resource(
            "dynamodb", endpoint_url=self.aws.url, config=Config(max_pool_connections=2, proxies={})
        )
        self.tables = self.make_tables()

    def close(self) -> None:
        self._resource.meta.client.close()

    # ---- accounts, tables, servers

    def make_tables(self) -> Tables:
        """Create another set of empty tables."""
        self._sets += 1
        tables = Tables.named(f"{self.hub}-{self._sets}")
        client = self._resource.meta.client
        _make_table(client, tables.accounts, ["accountId"], {})
        _make_table(client, tables.status, ["region"], {})
        _make_table(client, tables.topology, ["pk", "sk"], {})
        _make_table(
            client,
            tables.inventory,
            ["sourceServerArn", "stagingAccountId"],
            {
                "SourceAccountIndex": ["sourceAccountId", "sourceServerArn"],
                "StagingAccountIndex": ["stagingAccountId", "sourceServerArn"],
                "ReplicationRegionIndex": ["replicationRegion", "sourceServerArn"],
            },
        )
        return tables

    def account(self, *, listed: bool = True, external_id: str = EXTERNAL_ID, **row: Any) -> str:
        """Create an account with its role; `listed`: with a row in the target accounts table."""
        account_id = str(next(_accounts))
        self.accounts.append(account_id)
        arn = f"arn:aws:iam::{account_id}:role/DRSOrchestrationRole"
        self.aws.roles[arn] = Role(account_id, external_id, self.hub)
        if listed:
            self.put(
                self.tables.accounts,
                {
                    "accountId": account_id,
                    "accountName": f"Account {account_id}",
                    "status": "active",
                    "isCurrentAccount": False,
                    "roleArn": arn,
                    "externalId": external_id,
                    "createdAt": "2026-01-10T09:00:00+00:00Z",
                    "createdBy": "user",
                    "stagingAccounts": [],
                    **row,
                },
            )
        return account_id

    def list_hub(self) -> str:
        """Add a row for the hub to the target accounts table."""
        self.put(self.tables.accounts, {"accountId": self.hub, "accountName": "Hub", "isCurrentAccount": True})
        return self.hub

    def role(self, account: str) -> Role:
        return self.aws.roles[f"arn:aws:iam::{account}:role/DRSOrchestrationRole"]

    def scope(self, account: str, region: str) -> Scope:
        return self.aws.scopes[account, region]

    def servers(self, account: str, region: str, count: int, *, first: int = 1, **origin: str) -> list[dict[str, Any]]:
        """Add servers and their EC2 instances to a scope, and initialise DRS there."""
        scope = self.scope(account, region)
        scope.initialized = True
        if not scope.templates:
            rct = f"rct-{_hex('rct', account, region)}"
            scope.templates.append({"replicationConfigurationTemplateID": rct, "stagingAreaSubnetId": "subnet-0f1e"})
        servers = [make_server(account, region, number, **origin) for number in range(first, first + count)]
        scope.servers.extend(servers)
        for number, server in zip(range(first, first + count), servers, strict=True):
            cloud = server["sourceCloudProperties"]
            self.scope(cloud["originAccountID"], cloud["originRegion"]).instances[
                instance_id_of(account, region, number)
            ] = Instance(
                private_ip=f"10.0.{number // 250}.{number % 250}",
                tags={"Name": f"ec2-{number}", "Team": "core", "aws:autoscaling:groupName": "g"},
            )
        return servers

    # ---- tables

    def table(self, name: str) -> Any:
        return self._resource.Table(name)

    def put(self, table: str, item: Mapping[str, Any]) -> None:
        self.table(table).put_item(Item=dict(item))

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return every item of a table."""
        items: list[dict[str, Any]] = []
        response = self.table(table).scan()
        items += response["Items"]
        while "LastEvaluatedKey" in response:
            response = self.table(table).scan(ExclusiveStartKey=response["LastEvaluatedKey"])
            items += response["Items"]
        return items

    def inventory(self, tables: Tables | None = None) -> dict[str, dict[str, Any]]:
        """Return the server items by ARN."""
        items = self.items((tables or self.tables).inventory)
        return {item["sourceServerArn"]: item for item in items if re.fullmatch(r"\d{12}", item["stagingAccountId"])}

    def bookkeeping(self, tables: Tables | None = None) -> list[dict[str, Any]]:
        """Return the items of the inventory table that are not servers."""
        items = self.items((tables or self.tables).inventory)
        return [item for item in items if not re.fullmatch(r"\d{12}", item["stagingAccountId"])]

    def topologies(self, tables: Tables | None = None) -> dict[str, dict[str, Any]]:
        """Return the topology items by lineage."""
        items = self.items((tables or self.tables).topology)
        return {item["pk"]: item for item in items if item["sk"] == "TOPOLOGY"}

    def status(self, tables: Tables | None = None) -> dict[str, dict[str, Any]]:
        """Return the rows of the region status table by region."""
        return {item["region"]: item for item in self.items((tables or self.tables).status)}

    def entry(self, region: str, account: str) -> dict[str, Any]:
        """Return the entry of one (account, region) in the region status table."""
        entry = plain(self.status()[region]["accounts"][account])
        assert isinstance(entry, dict)
        return entry

    def counts(self, tables: Tables | None = None) -> dict[str, int]:
        """Return the server count of each region with servers, from the region status table."""
        return {name: int(row["serverCount"]) for name, row in self.status(tables).items() if row.get("serverCount")}

    def age_status(self, *regions: str, to: str = "2026-01-01T00:00:00Z") -> None:
        """Set the times of rows to a time long ago."""
        for region, row in self.status().items():
            if not regions or region in regions:
                self.put(self.tables.status, _aged(row, to))

    # ---- runs

    def environment(self, tables: Tables | None = None, **settings: Any) -> dict[str, str]:
        """Return the command's environment: this checkout's code, and no inherited variable that the SDK reads."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        variables = {
            **inherited,
            **CHECKOUT,
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": self.credentials.key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret,
            "AWS_REGION": _HOME,
            "AWS_DEFAULT_REGION": _HOME,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent/config",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
            "NO_PROXY": "127.0.0.1",
            "DRS_CALLS_PER_SECOND": "500",
            "DRS_BURST": "500",
            **(tables or self.tables).environment(),
            **self.settings,
            **settings,
        }
        return {name: value for name, value in variables.items() if value != "<unset>"}

    def start(self, *arguments: str, tables: Tables | None = None, **settings: Any) -> subprocess.Popen[str]:
        """Start the command without waiting for its end."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment(tables, **settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def holding(self, trap: Trap) -> Iterator[Trap]:
        """Block calls in a trap, and release them at the end of the context, also after an error."""
        self.aws.traps.append(trap)
        try:
            yield trap
        finally:
            trap.released.set()
            self.aws.traps.remove(trap)

    def run(self, *arguments: str, tables: Tables | None = None, timeout_s: float = 400, **settings: Any) -> Run:
        """Run the command and wait for its end."""
        return finish(self.start(*arguments, tables=tables, **settings), timeout_s=timeout_s)

    def sync(self, *arguments: str, code: int | None = 0, tables: Tables | None = None, **settings: Any) -> Run:
        """Delete recorded calls, sync the inventory, and check the exit code and the sums of the report."""
        self.aws.forget_calls(self.accounts)
        run = self.run("sync", "inventory", *arguments, tables=tables, **settings)
        assert code is None or run.code == code, f"exit {run.code}\n{run.out}\n{run.err[-3000:]}"
        if "scopes" in run.report:
            scopes = run.report["scopes"]
            parts = sum(scopes[each] for each in ("complete", "partial", "skipped", "failed"))
            assert scopes["asked"] == parts, scopes
        return run

    def sync_as_table(self) -> Run:
        """Sync the inventory with table output."""
        return self.run("sync", "inventory", "--output", "table")

    def python(self, code: str, **settings: Any) -> Run:
        """Run a piece of Python in the command's environment."""
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return finish(process)

    def calls(self, service: str = "", operation: str = "") -> list[Call]:
        return self.aws.calls(self.accounts, service, operation)

    def inventory_writes(self, tables: Tables | None = None) -> list[Call]:
        """Return the calls that wrote, or tried to write, to the inventory table."""
        name = (tables or self.tables).inventory
        return [call for call in self.calls("dynamodb") if call.operation in _WRITES and name in call.table.split(",")]


_WRITES: Final = {
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
}


def finish(process: subprocess.Popen[str], *, timeout_s: float = 400) -> Run:
    """Wait for a started command."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {timeout_s} s\n{out[-2000:]}\n{err[-4000:]}") from None
    return Run(process.returncode, out, err)


def wait_until(true: Callable[[], bool], *, timeout_s: float = 300.0) -> None:
    """Poll until a condition is true."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def _aged(value: Any, to: str) -> Any:
    if isinstance(value, dict):
        return {name: _aged(each, to) for name, each in value.items()}
    return to if isinstance(value, str) and _TIME.fullmatch(value) else value


def plain(value: Any) -> Any:
    """Convert DynamoDB's numbers to integers."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if isinstance(value, str | bool | bytes | type(None) | set) else int(value)


def timeless(items: Mapping[str, Mapping[str, Any]] | Sequence[Mapping[str, Any]]) -> Any:
    """Return the items sorted and without times, so that two runs that lead to the same state compare equal."""
    listed = list(items.values()) if isinstance(items, Mapping) else list(items)
    blanked = [_aged(plain(dict(item)), "<time>") for item in listed]
    for item in blanked:
        if "region" in item and "sourceServerArn" not in item:
            item.pop("accountId", None)  # of a region row: the last account scanned, arbitrary
    return sorted(blanked, key=lambda item: json.dumps(item, sort_keys=True))
