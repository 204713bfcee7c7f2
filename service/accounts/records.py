"""Records of the target accounts table: the accounts to sync, and the role to assume in each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from service.errors import ConfigurationError, problem_of
from service.models import Problem, Scope, is_account_id

__all__ = [
    "DEFAULT_EXTERNAL_ID",
    "DEFAULT_ROLE_NAME",
    "EXTERNAL_ID_FORM",
    "Account",
    "AccountDirectory",
    "RoleRef",
    "is_external_id",
    "parse_account",
    "staging_id_problem",
    "staging_records",
    "unusable_staging",
]

DEFAULT_ROLE_NAME: Final = "DRSOrchestrationRole"
DEFAULT_EXTERNAL_ID: Final = "drs-orchestration-cross-account"
EXTERNAL_ID_FORM: Final = "2 to 1224 characters of A-Z a-z 0-9 and +=,.@:/-_"
_ROLE_ARN: Final = re.compile(r"arn:[a-z0-9-]+:iam::(?P<account>[0-9]{12}):role/(?P<name>[\w+=,.@/-]{1,512})", re.ASCII)
_ROLE_NAME: Final = re.compile(r"[\w+=,.@/-]{1,512}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)  # what STS accepts, 2 characters at least


@dataclass(frozen=True, slots=True)
class RoleRef:
    """The role of an account as its record defines it: an ARN, or a name to build the ARN from."""

    arn: str = ""
    name: str = DEFAULT_ROLE_NAME
    external_id: str = DEFAULT_EXTERNAL_ID

    def arn_in(self, account_id: str, partition: str) -> str:
        """Return the ARN of the role.

        Raises:
            ConfigurationError: the ARN is malformed or of another account, or the external id is one that STS rejects.
        """
        arn = self.arn or f"arn:{partition}:iam::{account_id}:role/{self.name}"
        match = _ROLE_ARN.fullmatch(arn)
        if match is None:
            raise ConfigurationError(
                f"the role ARN {arn!r} of account {account_id} is not arn:<partition>:iam::<id>:role/<name>"
            )
        if match["account"] != account_id:
            raise ConfigurationError(
                f"the role ARN {arn!r} in the record of account {account_id} belongs to account {match['account']}"
            )
        if not is_external_id(self.external_id):
            raise ConfigurationError(
                f"the external id of account {account_id} is {self.external_id[:80]!r}: {EXTERNAL_ID_FORM} expected"
            )
        return arn


@dataclass(frozen=True, slots=True)
class Account:
    """One target account.

    Args:
        account_id: its id.
        name: its name.
        role: the role to assume in it.
        staging: roles of its staging accounts, by account id.
        unusable_staging: what is wrong with each record of a staging account that has no usable id.
        removed_staging: staging accounts that an operator removed. DRS still reports them while a server of theirs is
            extended.
        is_hub: the target account is the hub.
    """

    account_id: str
    name: str
    role: RoleRef
    staging: Mapping[str, RoleRef] = field(default_factory=dict)
    unusable_staging: tuple[str, ...] = ()
    removed_staging: frozenset[str] = frozenset()
    is_hub: bool = False


def parse_account(item: Mapping[str, Any]) -> Account:
    """Parse a record in the current format or an earlier one.

    Raises:
        ConfigurationError: the record has no usable account id.
    """
    account_id = item.get("accountId")
    if not is_account_id(account_id):
        raise ConfigurationError(
            f"a record of the target accounts table has accountId {account_id!r}: 12 digits expected"
        )
    staging: dict[str, RoleRef] = {}
    unusable: list[str] = []
    for record in staging_records(item):
        staging_id = record.get("accountId")
        # A malformed id must not reach a call: the SDK raises the same exception for it as for a bug.
        if is_account_id(staging_id) and staging_id != account_id:
            staging[staging_id] = _role(record)
        else:
            unusable.append(f"a staging account of {account_id} {staging_id_problem(record, account_id)}")
    return Account(
        account_id=account_id,
        name=str(item.get("accountName") or f"Account {account_id}"),
        role=_role(item),
        staging=staging,
        unusable_staging=tuple(unusable),
        removed_staging=frozenset(
            str(record.get("accountId")) for record in staging_records(item, "removedStagingAccounts")
        ),
        is_hub=bool(item.get("isCurrentAccount", item.get("IsCurrentAccount"))),
    )


def staging_id_problem(record: Mapping[str, Any], target: str) -> str:
    """Say what is wrong with the account id of a staging account's record; empty if nothing is."""
    staging_id = record.get("accountId")
    if is_account_id(staging_id) and staging_id != target:
        return ""
    if isinstance(staging_id, int | Decimal) and not isinstance(staging_id, bool):
        return (
            f"has the number {staging_id} as accountId: it has to be text of 12 digits, since a number loses its zeros"
        )
    return f"has accountId {str(staging_id)[:80]!r}: 12 digits of another account expected"


def unusable_staging(target: str, why: str) -> Problem:
    """Make the problem of a staging account in the record of a target that cannot be used.

    Args:
        target: the target account.
        why: what is wrong, from `Account.unusable_staging`.
    """
    return problem_of("InvalidStagingRecord", "InvalidAccountRecord", why, Scope(target, ""))


def is_external_id(value: object) -> bool:
    """Whether STS accepts a value as an external id."""
    return isinstance(value, str) and _EXTERNAL_ID.fullmatch(value) is not None


def staging_records(item: Mapping[str, Any], attribute: str = "stagingAccounts") -> list[dict[str, Any]]:
    """Return the staging account records of a target account; malformed ones are left out."""
    records = item.get(attribute)
    return [dict(record) for record in (records if isinstance(records, list) else []) if isinstance(record, Mapping)]


def _role(item: Mapping[str, Any]) -> RoleRef:
    """Return the role: `roleArn`, else `assumeRoleName`, else the legacy `crossAccountRoleArn`, else the default."""
    name = item.get("assumeRoleName")
    valid_name = name if isinstance(name, str) and _ROLE_NAME.fullmatch(name) else ""
    return RoleRef(
        arn=str(item.get("roleArn") or ("" if valid_name else item.get("crossAccountRoleArn")) or ""),
        name=valid_name or DEFAULT_ROLE_NAME,
        external_id=str(item.get("externalId") or DEFAULT_EXTERNAL_ID),
    )


class AccountDirectory:
    """Target accounts and their staging accounts, with the role of each."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.targets: dict[str, Account] = {account.account_id: account for account in accounts}
        self._roles: dict[str, RoleRef] = {}
        for account in self.targets.values():
            for staging_id, role in account.staging.items():
                self._roles.setdefault(staging_id, role)
        self._roles |= {account.account_id: account.role for account in self.targets.values()}

    def targets_of(self, account_id: str) -> frozenset[str]:
        """Return the target accounts that an account is, or is a staging account of."""
        return frozenset(
            target.account_id
            for target in self.targets.values()
            if account_id == target.account_id or account_id in target.staging
        )

    def __contains__(self, account_id: object) -> bool:
        """Whether a record names an account, as a target account or as a staging account of one."""
        return account_id in self._roles

    def role_of(self, account_id: str) -> RoleRef:
        """Return the role of an account; the default role if no record names the account."""
        return self._roles.get(account_id, RoleRef())
