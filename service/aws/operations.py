"""Every AWS operation that a process may use. Its session refuses any other one before it is signed.

The IAM policies in `deploy/` are held against the same tables: a call that is missing here fails in the first test that
makes it, and a permission that is missing there fails the test of the templates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from service.errors import DrsSyncError

if TYPE_CHECKING:  # builders of packages read these tables before anything is installed
    from botocore.model import OperationModel

__all__ = ["EXAMINES", "MANAGES", "READS", "SIGNS_IN", "Operations", "UndeclaredOperationError", "reject_undeclared"]

Operations = Mapping[str, frozenset[str]]
"""Operation names by service, as the SDK spells them."""


def _with(operations: Operations, more: Operations) -> Operations:
    services = sorted({*operations, *more})
    return MappingProxyType(
        {name: operations.get(name, frozenset()) | more.get(name, frozenset()) for name in services}
    )


READS: Final[Operations] = MappingProxyType(
    {
        "drs": frozenset({"DescribeRecoveryInstances", "DescribeSourceServers"}),
        "dynamodb": frozenset({"BatchGetItem", "GetItem", "Query", "Scan"}),
        "ec2": frozenset({"DescribeInstances"}),
        "lambda": frozenset({"Invoke"}),  # no read: asks the data-management function to refresh what was stale
        "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
    }
)
"""What the query side may ask."""

MANAGES: Final[Operations] = _with(
    READS,
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
"""What the data-management side may do."""

EXAMINES: Final[Operations] = _with(MANAGES, {"dynamodb": frozenset({"DescribeTable"})})
"""What an operator's own examination of a set-up may ask beside that."""

SIGNS_IN: Final[Operations] = MappingProxyType(
    {
        "signin": frozenset({"CreateOAuth2Token"}),
        "sso": frozenset({"GetRoleCredentials"}),
        "sso-oidc": frozenset({"CreateToken"}),
        "sts": frozenset({"AssumeRoleWithWebIdentity"}),
    }
)
"""What the SDK asks by itself to have the hub's own credentials, where they come from a login or a web identity.

None of these is signed with AWS keys, so there is no permission for them; every process may use them.
"""


class UndeclaredOperationError(DrsSyncError):
    """Code tried an operation that its process has not declared. A bug: nothing was sent."""


def reject_undeclared(allowed: Operations) -> Callable[..., None]:
    """Make a hook, to be registered for `before-call`, that refuses every operation but these and `SIGNS_IN`.

    The hook raises UndeclaredOperationError; nothing is sent then.
    """

    def refuse(model: OperationModel, **_: object) -> None:
        service, operation = model.service_model.service_name, model.name
        if operation not in allowed.get(service, ()) and operation not in SIGNS_IN.get(service, ()):
            raise UndeclaredOperationError(f"this process may not use {service}:{operation}; nothing was sent")

    return refuse
