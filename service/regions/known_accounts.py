"""Who is a target account, for telling whose entries in the region status table are left over."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from service.errors import AwsError

__all__ = ["ExistingAccountsReader", "KnownAccounts"]

_log: Final = logging.getLogger(__name__)

ExistingAccountsReader = Callable[[Collection[str]], Awaitable[frozenset[str]]]
"""Says which of these accounts are targets at this moment; raises AwsError when that cannot be read."""


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """Every account that there was at one moment, and how to ask about those that may have joined since."""

    accounts: frozenset[str]
    read_existing: ExistingAccountsReader

    def removed_accounts(self, account_ids: Collection[str]) -> frozenset[str]:
        """Name those that were not there."""
        return frozenset(account_ids) - self.accounts

    async def recheck(self, account_ids: Collection[str]) -> KnownAccounts:
        """Count again those that have an entry: who is there by now has joined since.

        The entries must have been read before. Then whoever had joined when an entry was written is found, whatever
        clocks say; and an entry written later is in a row that has changed, which a conditional write notices. Where
        the accounts cannot be read, nobody is taken to be gone.
        """
        removed_accounts = self.removed_accounts(account_ids)
        if not removed_accounts:
            return self
        try:
            there = await self.read_existing(removed_accounts)
        except AwsError as error:
            _log.warning(
                "accounts could not be counted again; what is known of those that may be gone stays",
                extra={"accounts": len(removed_accounts), "code": error.code},
            )
            there = removed_accounts
        return replace(self, accounts=self.accounts | there)
