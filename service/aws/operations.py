"""Allow-lists of AWS operations per process. The session refuses any other operation before it is signed.

Tests compare the IAM policies in `deploy/` with these tables, so code, allow-list and permissions cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from service.errors import DrsSyncError

if TYPE_CHECKING:  # deploy/package.py imports this module before any dependency is installed
    from botocore.model import OperationModel

__all__ = [
    "DOCTOR_OPERATIONS",
    "READ_OPERATIONS",
    "READ_WRITE_OPERATIONS",
    "SIGN_IN_OPERATIONS",
    "TABLE_OPERATIONS",
    "Operations",
    "UndeclaredOperationError",
    "reject_undeclared",
]

Operations = Mapping[str, frozenset[str]]
"""Operation names by service, as the SDK spells them."""


def _with(operations: Operations, more: Operations) -> Operations:
    services = sorted({*operations, *more})
    return MappingProxyType(
        {name: operations.get(name, frozenset()) | more.get(name, frozenset()) for name in services}
    )


READ_OPERATIONS: Final[Operations] = MappingProxyType(
    {
        "drs": frozenset({"DescribeRecoveryInstances", "DescribeSourceServers"}),
        "dynamodb": frozenset({"BatchGetItem", "GetItem", "Query", "Scan"}),
        "ec2": frozenset({"DescribeInstances"}),
        "lambda": frozenset({"Invoke"}),  # not a read: starts the data-management function to refresh stale scopes
        "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
    }
)
"""Operations of the query side."""

READ_WRITE_OPERATIONS: Final[Operations] = _with(
    READ_OPERATIONS,
    {
        "drs": frozenset(
            {
                "CreateExtendedSourceServer",
                "DescribeReplicationConfigurationTemplates",
                "GetLaunchConfiguration",
                "GetReplicationConfiguration",
                "ListExtensibleSourceServers",
                "ListStagingAccounts",
                "TagResource",
                "UpdateLaunchConfiguration",
            }
        ),
        "dynamodb": frozenset({"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"}),
        "events": frozenset({"DescribeRule", "PutRule"}),
    },
)
"""Operations of the data-management side: syncs and changes to staging accounts."""

DOCTOR_OPERATIONS: Final[Operations] = _with(READ_WRITE_OPERATIONS, {"dynamodb": frozenset({"DescribeTable"})})
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
