"""Staging accounts of a target account: validation of new records, and changes to the list of records. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from service.accounts.records import DEFAULT_EXTERNAL_ID, DEFAULT_ROLE_NAME, EXTERNAL_ID_FORM, is_external_id
from service.errors import RefusalError
from service.models import is_account_id, iso

__all__ = [
    "StagingChange",
    "StagingRecords",
    "add_staging_account",
    "adopt_discovered",
    "member_fault",
    "remove_staging_account",
    "role_members",
    "staging_record",
]

StagingRecords = list[dict[str, Any]]
StagingChange = Callable[[StagingRecords, StagingRecords], tuple[StagingRecords, StagingRecords]]
"""Takes the staging accounts and the removed ones, and returns both as they should be stored."""

_MEMBERS: Final = frozenset({"accountId", "accountName", "roleArn", "externalId", "addedAt", "addedBy"})
_MAX_MORE: Final = 2000  # bytes of further members: the item of a target has 400 KB for all its staging accounts
_MAX_STAGING_ACCOUNTS: Final = 100  # DRS allows 100 trusted accounts per account


def staging_record(given: Mapping[str, Any], *, partition: str, now: datetime, added_by: str) -> dict[str, Any]:
    """Build the record of a new staging account; unknown members of the request are kept.

    Raises:
        RefusalError: a member is missing or invalid; the message names it and what is expected.
    """
    members = role_members(given, partition=partition, subject="stagingAccount")
    more = {member: value for member, value in given.items() if member not in _MEMBERS}
    if "" in more or not _is_short(more):
        fix = f"give further members a name and valid text, together of at most {_MAX_MORE} bytes"
        raise RefusalError("VALIDATION_ERROR", f"stagingAccount cannot be stored. Fix: {fix}")
    return {**members, "addedAt": iso(now), "addedBy": added_by, **more}


def role_members(given: Mapping[str, Any], *, partition: str, subject: str) -> dict[str, Any]:
    """Return id, name, role and external id of an account as a record has them, target or staging account.

    Args:
        given: the members as given; without `roleArn` it is DRSOrchestrationRole.
        partition: partition of the hub, for the default role.
        subject: what the account is called in messages.

    Raises:
        RefusalError: a member is missing or invalid; the message names it and what is expected.
    """
    account_id = given.get("accountId")
    if not is_account_id(account_id):
        raise member_fault(subject, "accountId", account_id, "12 digits")
    name = given.get("accountName")
    if not isinstance(name, str) or not name.strip() or len(name) > 256:  # noqa: PLR2004 - given in the message
        raise member_fault(subject, "accountName", name, "a name of 1 to 256 characters")
    external_id = given.get("externalId")
    if not is_external_id(external_id):
        raise member_fault(subject, "externalId", external_id, EXTERNAL_ID_FORM)
    role_arn = given.get("roleArn") or f"arn:{partition}:iam::{account_id}:role/{DEFAULT_ROLE_NAME}"
    expected = re.compile(rf"arn:[a-z0-9-]+:iam::{account_id}:role/[\w+=,.@/-]{{1,512}}", re.ASCII)
    if not isinstance(role_arn, str) or not expected.fullmatch(role_arn):
        raise member_fault(
            subject,
            "roleArn",
            role_arn,
            f"arn:<partition>:iam::{account_id}:role/<name>, a role of that account",
        )
    return {"accountId": account_id, "accountName": name, "roleArn": role_arn, "externalId": external_id}


def _is_short(members: Mapping[str, Any]) -> bool:
    try:
        return len(orjson.dumps(members)) <= _MAX_MORE
    except orjson.JSONEncodeError:
        return False  # half a surrogate pair


def member_fault(subject: str, member: str, value: object, expected: str) -> RefusalError:
    """Make the error of a member of an account that is missing or invalid."""
    problem = "is missing" if value is None else f"is {str(value)[:80]!r}"
    return RefusalError(
        "VALIDATION_ERROR",
        f"{subject}.{member} {problem}: {expected} expected",
        details={"parameter": member, "expected": expected},
    )


def add_staging_account(record: Mapping[str, Any], target: str) -> StagingChange:
    """Return a change that adds a staging account, also one that was removed earlier.

    The change raises RefusalError when the account is one already, is the target itself, or exceeds the limit of DRS.
    """
    account_id = str(record["accountId"])

    def change(current: StagingRecords, removed: StagingRecords) -> tuple[StagingRecords, StagingRecords]:
        if account_id == target:
            raise RefusalError("VALIDATION_ERROR", f"account {account_id} cannot be its own staging account")
        if _find(current, account_id):
            raise RefusalError(
                "STAGING_ACCOUNT_EXISTS", f"{account_id} is already a staging account of {target}", status=409
            )
        if len(current) >= _MAX_STAGING_ACCOUNTS:
            raise RefusalError(
                "VALIDATION_ERROR",
                f"{target} has {len(current)} staging accounts, and DRS allows {_MAX_STAGING_ACCOUNTS}. "
                "Fix: remove one first",
            )
        # In place of a record with the id as a number, which no sync can use.
        return [*_without(current, account_id), dict(record)], _without(removed, account_id)

    return change


def remove_staging_account(account_id: str, target: str, *, now: datetime) -> StagingChange:
    """Return a change that removes a staging account and records the removal.

    DRS still reports the account while a server of it is extended, so discovery must know that it was removed. The
    change raises RefusalError when the account is not a staging account.
    """

    def change(current: StagingRecords, removed: StagingRecords) -> tuple[StagingRecords, StagingRecords]:
        if len(_without(current, account_id)) == len(current):
            raise RefusalError("NOT_FOUND", f"{account_id} is not a staging account of {target}", status=404)
        removal = {"accountId": account_id, "removedAt": iso(now)}
        return _without(current, account_id), [*_without(removed, account_id), removal]

    return change


def adopt_discovered(
    account_ids: Sequence[str], target: str, *, partition: str, now: datetime
) -> tuple[StagingChange, list[str]]:
    """Return a change that adds the staging accounts DRS reports, except removed ones, and a list for the added ids.

    The list is filled when the change runs.
    """
    added: list[str] = []

    def change(current: StagingRecords, removed: StagingRecords) -> tuple[StagingRecords, StagingRecords]:
        added.clear()
        for account_id in account_ids:
            if account_id == target or _find(current, account_id) or _find(removed, account_id):
                continue
            record = {
                "accountId": account_id,
                "accountName": f"Staging Account {account_id[-4:]}",
                "externalId": DEFAULT_EXTERNAL_ID,
            }
            if is_account_id(account_id) and len(current) < _MAX_STAGING_ACCOUNTS:
                current = [
                    *_without(current, account_id),
                    staging_record(record, partition=partition, now=now, added_by="system"),
                ]
                added.append(account_id)
        return current, removed

    return change, added


def _find(records: StagingRecords, account_id: str) -> dict[str, Any] | None:
    return next((record for record in records if record.get("accountId") == account_id), None)


def _without(records: StagingRecords, account_id: str) -> StagingRecords:
    return [record for record in records if str(record.get("accountId")) != account_id]
