"""Known target accounts, used to find region status entries of accounts that were removed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from service.errors import AwsError

__all__ = ["ExistingAccountsReader", "KnownAccounts"]

_log: Final = logging.getLogger(__name__)

ExistingAccountsReader = Callable[[Collection[str]], Awaitable[frozenset[str]]]
"""Returns which of these accounts are target accounts now. Raises AwsError when that cannot be read."""


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """The target accounts at one moment, with a way to check accounts that may have been added since.

    Args:
        accounts: every target account at that moment.
        read_existing: reads which of some accounts exist now.
    """

    accounts: frozenset[str]
    read_existing: ExistingAccountsReader

    def removed_accounts(self, account_ids: Collection[str]) -> frozenset[str]:
        """Return the accounts that were not target accounts."""
        return frozenset(account_ids) - self.accounts

    async def recheck(self, account_ids: Collection[str]) -> KnownAccounts:
        """Add the accounts that were added since, out of those that have an entry.

        Read the entries first: an account that wrote one of them existed by then and is found, independent of clocks.
        An entry written later is in a row that has changed, which the conditional write detects. When the accounts
        cannot be read, none counts as removed.
        """
        removed = self.removed_accounts(account_ids)
        if not removed:
            return self
        try:
            existing = await self.read_existing(removed)
        except AwsError as error:
            _log.warning(
                "cannot check which accounts were removed; their region status is kept",
                extra={"accounts": len(removed), "code": error.code},
            )
            existing = removed
        return replace(self, accounts=self.accounts | existing)
