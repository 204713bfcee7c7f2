"""Roles to assume in other accounts, and the rules about which of them may be. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from service.aws.operations import Purpose
from service.errors import AwsError
from service.models import Call
from service.settings import Settings

__all__ = ["NamedBy", "RoleToAssume", "require_enterable"]


class NamedBy(Enum):
    """Who named an account that is to be entered."""

    RECORD = auto()
    """The target accounts table, as a target account or as a staging account of one."""
    DRS = auto()
    """DRS, as the account where a source server of a recorded account came from."""
    VALIDATION = auto()
    """The request to validate an account, which comes before its record is written."""
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class RoleToAssume:
    """The IAM role to assume in another account.

    Args:
        account_id: the account.
        role_arn: its role.
        external_id: the external id that the role requires.
        named_by: who named the account.
        purpose: what the session is for; it can do no more.
    """

    account_id: str
    role_arn: str
    external_id: str
    named_by: NamedBy
    purpose: Purpose = Purpose.READ


def require_enterable(role: RoleToAssume, settings: Settings, *, hub_region: str) -> None:
    """Refuse a role that may not be assumed.

    Args:
        role: the role.
        settings: CROSS_ACCOUNT_ROLE_NAME and ENTER_RECORDED_ACCOUNTS_ONLY.
        hub_region: for the error.

    Raises:
        AwsError: the role has another name than the one that may be assumed, or nobody who may has named its account.
    """
    call = Call("sts", "AssumeRole", role.account_id, hub_region)
    allowed_name = settings.cross_account_role_name
    if allowed_name and role.role_arn.rpartition("/")[2] != allowed_name:
        message = f"not assumed: {role.role_arn} is not named {allowed_name} (CROSS_ACCOUNT_ROLE_NAME)"
        raise AwsError("RoleNotAllowed", message, call)
    if role.named_by is NamedBy.NOBODY:
        message = f"not assumed: {role.role_arn}, since no record names the account and DRS does not either"
        raise AwsError("AccountNotNamed", message, call)
    if role.named_by is not NamedBy.RECORD and settings.enter_recorded_accounts_only:
        message = f"not assumed: {role.role_arn}, since no record names the account (ENTER_RECORDED_ACCOUNTS_ONLY)"
        raise AwsError("AccountNotRecorded", message, call)
