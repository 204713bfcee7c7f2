"""Which operations only read. A session that may only read refuses every other one before it is signed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from botocore.model import OperationModel

from service.errors import DrsSyncError

__all__ = ["READS", "WriteRefusedError", "refuse_writes"]

# Everything the query function may ask of AWS, by service. Its IAM policy is held against this table.
READS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "drs": frozenset({"DescribeRecoveryInstances", "DescribeSourceServers"}),
        "dynamodb": frozenset({"BatchGetItem", "GetItem", "Query", "Scan"}),
        "ec2": frozenset({"DescribeInstances", "DescribeRegions"}),
        "lambda": frozenset({"Invoke"}),  # no read: asks the data-management function to refresh what was stale
        "sts": frozenset({"AssumeRole", "GetCallerIdentity"}),
    }
)


class WriteRefusedError(DrsSyncError):
    """Code that may only read tried something else. A bug: nothing was sent."""


def refuse_writes(model: OperationModel, **_: object) -> None:
    """Refuse an operation that is not in `READS`; to be registered for `before-call`.

    Raises:
        WriteRefusedError: nothing was sent.
    """
    service, operation = model.service_model.service_name, model.name
    if operation not in READS.get(service, ()):
        raise WriteRefusedError(f"this process may only read: {service}:{operation} is refused")
