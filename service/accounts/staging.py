"""Staging account records: what may be added, and how a record looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from service.accounts.records import DEFAULT_EXTERNAL_ID, DEFAULT_ROLE_NAME, EXTERNAL_ID_FORM, is_external_id
from service.errors import RefusalError
from service.models import is_account_id, iso

__all__ = ["Records", "StagingChange", "adding", "discovering", "removing", "staging_record"]

Records = list[dict[str, Any]]
StagingChange = Callable[[Records, Records], tuple[Records, Records]]
"""Takes the staging accounts and those an operator removed; gives both as they shall be."""

_MAX_STAGING_ACCOUNTS: Final = 100  # DRS trusts at most 100 accounts


def staging_record(given: Mapping[str, Any], *, partition: str, now: datetime, added_by: str) -> dict[str, Any]:
    """Make the record of a staging account that is to be added; members beyond the known ones are kept.

    Raises:
        RefusalError: a member is missing or wrong; the message says which and what it must be.
    """
    account_id = given.get("accountId")
    if not is_account_id(account_id):
        raise _wrong("accountId", account_id, "12 digits")
    name = given.get("accountName")
    if not isinstance(name, str) or not name.strip() or len(name) > 256:  # noqa: PLR2004 - a name, not a text
        raise _wrong("accountName", name, "a name of 1 to 256 characters")
    external_id = given.get("externalId")
    if not is_external_id(external_id):
        raise _wrong("externalId", external_id, EXTERNAL_ID_FORM)
    role_arn = given.get("roleArn") or f"arn:{partition}:iam::{account_id}:role/{DEFAULT_ROLE_NAME}"
    expected = re.compile(rf"arn:[a-z0-9-]+:iam::{account_id}:role/[\w+=,.@/-]{{1,512}}")
    if not isinstance(role_arn, str) or not expected.fullmatch(role_arn):
        raise _wrong("roleArn", role_arn, f"arn:<partition>:iam::{account_id}:role/<name>, a role of that account")
    known = {"accountId", "accountName", "roleArn", "externalId", "addedAt", "addedBy"}
    return {
        "accountId": account_id,
        "accountName": name,
        "roleArn": role_arn,
        "externalId": external_id,
        "addedAt": iso(now),
        "addedBy": added_by,
        **{member: value for member, value in given.items() if member not in known},
    }


def _wrong(member: str, value: object, expected: str) -> RefusalError:
    problem = "is missing" if value is None else f"is {str(value)[:80]!r}"
    return RefusalError(
        "VALIDATION_ERROR",
        f"stagingAccount.{member} {problem}: {expected} needed",
        details={"parameter": member, "expected": expected},
    )


def adding(record: Mapping[str, Any], target: str) -> StagingChange:
    """Add a staging account; one that was removed before is welcome again."""
    account_id = str(record["accountId"])

    def change(held: Records, removed: Records) -> tuple[Records, Records]:
        if account_id == target:
            raise RefusalError("VALIDATION_ERROR", f"account {account_id} cannot be its own staging account")
        if _find(held, account_id):
            raise RefusalError(
                "STAGING_ACCOUNT_EXISTS", f"{account_id} is a staging account of {target} already", status=409
            )
        if len(held) >= _MAX_STAGING_ACCOUNTS:
            raise RefusalError(
                "VALIDATION_ERROR",
                f"{target} has {len(held)} staging accounts, and DRS trusts {_MAX_STAGING_ACCOUNTS} at most: "
                "remove one first",
            )
        return [*held, dict(record)], _without(removed, account_id)

    return change


def removing(account_id: str, target: str, *, now: datetime) -> StagingChange:
    """Remove a staging account, and remember it: DRS goes on naming it as long as a server of it is extended."""

    def change(held: Records, removed: Records) -> tuple[Records, Records]:
        if not _find(held, account_id):
            raise RefusalError("NOT_FOUND", f"{account_id} is no staging account of {target}", status=404)
        gone = {"accountId": account_id, "removedAt": iso(now)}
        return _without(held, account_id), [*_without(removed, account_id), gone]

    return change


def discovering(
    account_ids: Sequence[str], target: str, *, partition: str, now: datetime
) -> tuple[StagingChange, list[str]]:
    """Add the staging accounts that DRS reports, but not those an operator removed. Gives the list of ids it added."""
    added: list[str] = []

    def change(held: Records, removed: Records) -> tuple[Records, Records]:
        added.clear()
        for account_id in account_ids:
            if account_id == target or _find(held, account_id) or _find(removed, account_id):
                continue
            given = {
                "accountId": account_id,
                "accountName": f"Staging Account {account_id[-4:]}",
                "externalId": DEFAULT_EXTERNAL_ID,
            }
            if is_account_id(account_id) and len(held) < _MAX_STAGING_ACCOUNTS:
                held = [*held, staging_record(given, partition=partition, now=now, added_by="system")]
                added.append(account_id)
        return held, removed

    return change, added


def _find(records: Records, account_id: str) -> dict[str, Any] | None:
    return next((record for record in records if record.get("accountId") == account_id), None)


def _without(records: Records, account_id: str) -> Records:
    return [record for record in records if record.get("accountId") != account_id]
