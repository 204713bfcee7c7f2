"""Registration of target accounts: the record of a new one, and how an account that has none gets one. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from service.accounts.records import DEFAULT_EXTERNAL_ID
from service.accounts.staging import member_fault, role_members
from service.errors import RefusalError
from service.models import is_account_id, iso
from service.text import suggestion

__all__ = ["add_fix", "checked_account_id", "target_record"]


def checked_account_id(account_id: str, parameter: str = "accountId") -> str:
    """Return an account id. Raises RefusalError, with the codes and texts of the API, unless it has 12 digits."""
    if not account_id:
        raise RefusalError("MISSING_FIELD", f"{parameter} is required: 12 digits")
    if not is_account_id(account_id):
        raise RefusalError("INVALID_FORMAT", f"{parameter} must be 12 digits")
    return account_id


def target_record(
    account_id: str,
    *,
    name: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    partition: str,
    hub_account_id: str,
    now: datetime,
) -> dict[str, Any]:
    """Build the record of a new target account, as the platform writes it.

    Args:
        account_id: its id.
        name: its name; None: `Account <id>`.
        role_arn: the role to assume in it; None: DRSOrchestrationRole.
        external_id: what the role's trust policy requires; None: the platform's own.
        partition: partition of the hub.
        hub_account_id: the hub; its record has neither role nor external id, because it uses its own credentials.
        now: when it is added.

    Raises:
        RefusalError: a member is invalid; the message names it and what is expected.
    """
    if role_arn is not None and not role_arn.startswith(f"arn:{partition}:"):
        raise member_fault(
            "targetAccount", "roleArn", role_arn, f"the ARN of a role in the hub's partition {partition}"
        )
    given = {
        "accountId": checked_account_id(account_id),
        "accountName": f"Account {account_id}" if name is None else name,
        "externalId": DEFAULT_EXTERNAL_ID if external_id is None else external_id,
        "roleArn": role_arn,
    }
    members = role_members(given, partition=partition, subject="targetAccount")
    is_hub = account_id == hub_account_id
    if is_hub and (role_arn is not None or external_id is not None):
        value = role_arn if role_arn is not None else external_id
        raise member_fault(
            "targetAccount",
            "externalId" if role_arn is None else "roleArn",
            value,
            f"none: {account_id} is the hub, which uses its own credentials; none is",
        )
    if is_hub:
        members = {name: members[name] for name in ("accountId", "accountName")}
    return {
        **members,
        "status": "active",
        "isCurrentAccount": is_hub,
        "stagingAccounts": [],
        "createdAt": iso(now),
        "updatedAt": iso(now),
        "createdBy": "user",
    }


def add_fix(account_id: str, known: Collection[str] = ()) -> str:
    """Say how an account that is no target becomes one, after the known account that was probably meant."""
    similar = suggestion(account_id, known)
    meant = f"Did you mean {similar}? " if similar else ""
    return f"{meant}Fix: correct the id, or add the account: drs-sync accounts add {account_id}"
