"""Records of the target accounts table: which accounts to sync and which role reaches each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.errors import ConfigurationError
from service.models import is_account_id

__all__ = [
    "DEFAULT_EXTERNAL_ID",
    "DEFAULT_ROLE_NAME",
    "EXTERNAL_ID_FORM",
    "Account",
    "Directory",
    "RoleRef",
    "is_external_id",
    "parse_account",
    "staging_records",
]

DEFAULT_ROLE_NAME: Final = "DRSOrchestrationRole"
DEFAULT_EXTERNAL_ID: Final = "drs-orchestration-cross-account"
EXTERNAL_ID_FORM: Final = "2 to 1224 characters of A-Z a-z 0-9 and +=,.@:/-_"
_ROLE_ARN: Final = re.compile(r"arn:[a-z0-9-]+:iam::(?P<account>[0-9]{12}):role/(?P<name>[\w+=,.@/-]{1,512})")
_ROLE_NAME: Final = re.compile(r"[\w+=,.@/-]{1,512}")
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)  # what STS accepts; the shortest it takes is two


@dataclass(frozen=True, slots=True)
class RoleRef:
    """How a record says its account is reached: a whole ARN, or a name to build one from."""

    arn: str = ""
    name: str = DEFAULT_ROLE_NAME
    external_id: str = DEFAULT_EXTERNAL_ID

    def arn_in(self, account_id: str, partition: str) -> str:
        """Give the ARN of the role.

        Raises:
            ConfigurationError: the record names a role that is none, or one of another account, or an external id that
                no role can ask for: the SDK refuses to send it, as it refuses what a bug makes.
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
                f"the external id of account {account_id} is {self.external_id[:80]!r}: {EXTERNAL_ID_FORM} needed"
            )
        return arn


@dataclass(frozen=True, slots=True)
class Account:
    """One account to sync.

    `removed_staging` are staging accounts that an operator took away: DRS goes on naming them as long as a server of
    theirs is extended. `unusable_staging` says what is wrong with records of staging accounts that name none.
    """

    account_id: str
    name: str
    role: RoleRef
    staging: Mapping[str, RoleRef] = field(default_factory=dict)
    unusable_staging: tuple[str, ...] = ()
    removed_staging: frozenset[str] = frozenset()
    is_hub: bool = False


def parse_account(item: Mapping[str, Any]) -> Account:
    """Read a record in today's shape or an older one.

    Raises:
        ConfigurationError: the record has no usable account id.
    """
    account_id = item.get("accountId")
    if not is_account_id(account_id):
        raise ConfigurationError(
            f"a record of the target accounts table has accountId {account_id!r}: 12 digits are needed"
        )
    staging: dict[str, RoleRef] = {}
    unusable: list[str] = []
    for record in staging_records(item):
        staging_id = record.get("accountId")
        # Nothing else may reach a call: the SDK refuses a short id as it refuses what a bug makes.
        if is_account_id(staging_id) and staging_id != account_id:
            staging[staging_id] = _role(record)
        else:
            problem = f"a staging account of {account_id} has accountId {str(staging_id)[:80]!r}"
            unusable.append(f"{problem}: 12 digits are needed, of another account")
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


def is_external_id(value: object) -> bool:
    """Tell whether STS would take it for an external id."""
    return isinstance(value, str) and _EXTERNAL_ID.fullmatch(value) is not None


def staging_records(item: Mapping[str, Any], attribute: str = "stagingAccounts") -> list[dict[str, Any]]:
    """Give the staging accounts of a record; what is no record is left out."""
    listed = item.get(attribute)
    return [dict(each) for each in (listed if isinstance(listed, list) else []) if isinstance(each, Mapping)]


def _role(item: Mapping[str, Any]) -> RoleRef:
    """Find the role in the order in which the attributes came into use."""
    name = item.get("assumeRoleName")
    named = name if isinstance(name, str) and _ROLE_NAME.fullmatch(name) else ""
    return RoleRef(
        arn=str(item.get("roleArn") or ("" if named else item.get("crossAccountRoleArn")) or ""),
        name=named or DEFAULT_ROLE_NAME,
        external_id=str(item.get("externalId") or DEFAULT_EXTERNAL_ID),
    )


class Directory:
    """Every account that a record names, with its role: targets, and staging accounts beneath them."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.targets: dict[str, Account] = {account.account_id: account for account in accounts}
        self._roles: dict[str, RoleRef] = {}
        for account in self.targets.values():
            for staging_id, role in account.staging.items():
                self._roles.setdefault(staging_id, role)
        self._roles |= {account.account_id: account.role for account in self.targets.values()}

    def role_of(self, account_id: str) -> RoleRef:
        """Give the role of an account; one that no record names has the default role."""
        return self._roles.get(account_id, RoleRef())
