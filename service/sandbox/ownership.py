"""Exclusive ownership of accounts: moto keeps one state per process, so two sandboxes must not share an account."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from moto.apigateway.models import apigateway_backends
from moto.awslambda.models import lambda_backends
from moto.cloudformation.models import cloudformation_backends
from moto.dynamodb.models import dynamodb_backends
from moto.ec2.models import ec2_backends
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends

from service.sandbox.fleet import FleetError
from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.clock import drs_clock

__all__ = ["AccountOwnership"]

# Every service of which a fleet or a stack of this project has resources.
_SERVICES: Final = (
    drs_backends,
    ec2_backends,
    dynamodb_backends,
    events_backends,
    sts_backends,
    apigateway_backends,
    cloudformation_backends,
    iam_backends,
    lambda_backends,
    logs_backends,
    s3_backends,
    sqs_backends,
)
_lock: Final = threading.Lock()
_owned_accounts: Final[set[str]] = set()


class AccountOwnership:
    """Accounts that belong to one sandbox. Their moto state is emptied when they are acquired and when released."""

    def __init__(self) -> None:
        self._owned: set[str] = set()

    def acquire(self, account_ids: Iterable[str]) -> None:
        """Acquire further accounts.

        Raises:
            FleetError: another sandbox of this process owns one of them.
        """
        new_ids = set(account_ids) - self._owned
        with _lock:
            conflicts = sorted(new_ids & _owned_accounts)
            if conflicts:
                raise FleetError(
                    f"another sandbox of this process has {', '.join(conflicts)}. "
                    "Fix: close it, or use other account ids"
                )
            _owned_accounts.update(new_ids)
            self._owned.update(new_ids)
        _empty(new_ids)

    def release(self) -> None:
        """Empty and release all accounts. With the last sandbox of the process, DRS's clock shows real time again."""
        _empty(self._owned)
        with _lock:
            _owned_accounts.difference_update(self._owned)
            self._owned.clear()
            if not _owned_accounts:
                drs_clock.reset()


def _empty(account_ids: Iterable[str]) -> None:
    for account_id in account_ids:
        for backends in _SERVICES:
            if account_id in backends:
                # Dropped, not reset: moto creates a backend on first use, and creating EC2's is slow.
                backends[account_id].clear()
        for bucket in [name for name, (_, owner) in s3_backends.bucket_accounts.items() if owner == account_id]:
            del s3_backends.bucket_accounts[bucket]
