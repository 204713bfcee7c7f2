"""Allow-lists of AWS operations per process. The session refuses any other operation before it is signed.

Tests compare the IAM policies in `deploy/` with these tables, so code, allow-list and permissions cannot drift apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from service.errors import DrsSyncError

if TYPE_CHECKING:  # deploy/package.py imports this module before any dependency is installed
    from botocore.model import OperationModel

__all__ = [
    "DOCTOR_OPERATIONS",
    "ORIGIN_OPERATIONS",
    "READ_OPERATIONS",
    "READ_WRITE_OPERATIONS",
    "SIGN_IN_OPERATIONS",
    "TABLE_OPERATIONS",
    "Operations",
    "Purpose",
    "UndeclaredOperationError",
    "reject_undeclared",
    "session_policy",
]

Operations = Mapping[str, frozenset[str]]
"""Operation names by service, as the SDK spells them."""

_NONE: Final[frozenset[str]] = frozenset()


def _with(operations: Operations, more: Operations) -> Operations:
    services = sorted({*operations, *more})
    return MappingProxyType({name: operations.get(name, _NONE) | more.get(name, _NONE) for name in services})


READ_OPERATIONS: Final[Operations] = MappingProxyType(
    {
        "drs": frozenset({"DescribeRecoveryInstances", "DescribeSourceServers"}),
        "dynamodb": frozenset({"BatchGetItem", "GetItem", "Query", "Scan"}),
        "lambda": frozenset({"Invoke"}),  # not a read: starts the data-management function to refresh stale scopes
        "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
    }
)
"""Operations of the query side."""

ORIGIN_OPERATIONS: Final[Operations] = MappingProxyType({"ec2": frozenset({"DescribeInstances"})})
"""Operations in an account that only has the instances of source servers: it is entered for nothing else."""

_WRITES_IN_ACCOUNTS: Final[Operations] = MappingProxyType(
    {"drs": frozenset({"CreateExtendedSourceServer", "TagResource", "UpdateLaunchConfiguration"})}
)

_DATA_MANAGEMENT_READS: Final[Operations] = _with(
    _with(READ_OPERATIONS, ORIGIN_OPERATIONS),
    {
        "drs": frozenset(
            {
                "DescribeReplicationConfigurationTemplates",
                "GetLaunchConfiguration",
                "GetReplicationConfiguration",
                "ListExtensibleSourceServers",
                "ListStagingAccounts",
            }
        )
    },
)

READ_WRITE_OPERATIONS: Final[Operations] = _with(
    _with(_DATA_MANAGEMENT_READS, _WRITES_IN_ACCOUNTS),
    {
        "dynamodb": frozenset({"BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"}),
        "events": frozenset({"DescribeRule", "PutEvents", "PutRule"}),
    },
)
"""Operations of the data-management side: syncs and changes to staging accounts."""

DOCTOR_OPERATIONS: Final[Operations] = _with(READ_OPERATIONS, {"dynamodb": frozenset({"DescribeTable"})})
"""Operations of `drs-sync doctor`."""

TABLE_OPERATIONS: Final[Operations] = MappingProxyType(
    {"dynamodb": frozenset({"CreateTable", "DescribeTable", "UpdateContinuousBackups", "UpdateTimeToLive"})}
)
"""Operations of `drs-sync tables create`."""

SIGN_IN_OPERATIONS: Final[Operations] = MappingProxyType(
    {
        "signin": frozenset({"CreateOAuth2Token"}),
        "sso": frozenset({"GetRoleCredentials"}),
        "sso-oidc": frozenset({"CreateToken"}),
        "sts": frozenset({"AssumeRoleWithWebIdentity"}),
    }
)
"""Operations that the SDK calls by itself to get the hub's credentials from a login or a web identity.

They are not signed with AWS keys, so no IAM permission exists for them; every process may use them.
"""


class Purpose(Enum):
    """What an account is entered for, which decides what the session may do there."""

    READ = auto()
    """To read DRS and EC2."""
    WRITE = auto()
    """To read, and to tag or extend source servers and change their launch configuration."""
    ORIGIN = auto()
    """To read the EC2 instances of source servers."""


def session_policy(allowed: Operations, purpose: Purpose) -> str | None:
    """Return the session policy with which a role is assumed: the session can do what it lists, and no more.

    A session that writes has none. It seems that DRS calls EC2 with the caller's credentials when it changes a launch
    configuration (AWS's managed policy for its console allows such calls; not tried), so a policy would have to repeat
    whatever the role allows for that.

    Args:
        allowed: operations of the process; one that may not write in accounts gets no session that writes.
        purpose: what the account is entered for.

    Returns:
        A policy in JSON; None when the session may do what the role may.
    """
    if purpose is Purpose.WRITE and any(
        names & allowed.get(name, _NONE) for name, names in _WRITES_IN_ACCOUNTS.items()
    ):
        return None
    wanted = ORIGIN_OPERATIONS if purpose is Purpose.ORIGIN else _DATA_MANAGEMENT_READS
    actions = sorted(
        f"{service}:{operation}"
        for service in ("drs", "ec2")
        for operation in wanted.get(service, _NONE) & allowed.get(service, _NONE)
    )
    nothing = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"} if actions else nothing
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


class UndeclaredOperationError(DrsSyncError):
    """An operation that the process has not declared was called: a bug. Nothing was sent."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(f"not sent: {service}:{operation} is not declared. Fix: add it to service/aws/operations.py")


def reject_undeclared(allowed: Operations) -> Callable[..., None]:
    """Return a `before-call` hook that refuses all operations except the allowed ones and `SIGN_IN_OPERATIONS`.

    The hook raises UndeclaredOperationError, and nothing is sent.
    """

    def refuse(model: OperationModel, **_: object) -> None:
        service, operation = model.service_model.service_name, model.name
        if operation not in allowed.get(service, ()) and operation not in SIGN_IN_OPERATIONS.get(service, ()):
            raise UndeclaredOperationError(service, operation)

    return refuse
