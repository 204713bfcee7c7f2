"""What a caller asks: query strings and direct parameters, judged before anything is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.errors import RefusalError
from service.queries.filters import MAX_TEXT, NO_FILTERS, Filters, invalid, is_whole
from service.queries.paging import Cursor, digest_of
from service.settings import Settings

__all__ = [
    "MAX_SERVERS",
    "InventoryParams",
    "ScopesParams",
    "ServersParams",
    "account_list_param",
    "account_param",
    "limit_param",
    "missing",
    "region_list_param",
    "region_param",
    "required_text_param",
    "text_param",
]

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")
MAX_SERVERS: Final = 1000
"""Servers on one page at most."""
_MAX_LISTED: Final = 1000

Parameters = Mapping[str, Any]


def missing(parameter: str) -> RefusalError:
    """Say that a parameter is missing."""
    return RefusalError("MISSING_PARAMETER", f"{parameter} is required", details={"parameter": parameter})


def text_param(given: Parameters, name: str) -> str:
    """Give a parameter; empty when it is not there. Raises RefusalError when it is no text."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not is_whole(value):
        raise invalid(name, value, "a text")
    return value.strip()


def required_text_param(given: Parameters, name: str) -> str:
    """Give a parameter that must be there. Raises RefusalError when it is missing, no text, or longer than any name."""
    value = text_param(given, name)
    if not value:
        raise missing(name)
    if len(value) > MAX_TEXT:
        raise invalid(name, value, f"at most {MAX_TEXT} characters")
    return value


def account_param(given: Parameters, name: str) -> str:
    """Give an account id. Raises RefusalError when it is missing or has not 12 digits."""
    value = text_param(given, name)
    if not value:
        raise missing(name)
    if not _ACCOUNT_ID.fullmatch(value):
        raise invalid(name, value, "12 digits")
    return value


def region_param(given: Parameters, name: str, settings: Settings) -> str:
    """Give a region. Raises RefusalError when it is missing or not known."""
    value = text_param(given, name)
    if not value:
        raise missing(name)
    return _known_region(name, value, settings)


def _known_region(name: str, value: str, settings: Settings) -> str:
    if value not in settings.catalog:
        raise invalid(name, value, f"one of {' '.join(settings.catalog)}")
    return value


def account_list_param(given: Parameters, name: str) -> tuple[str, ...]:
    """Give the account ids of a comma list, each once. Raises RefusalError when one has not 12 digits."""
    accounts = _listed(given, name)
    for account_id in accounts:
        if not _ACCOUNT_ID.fullmatch(account_id):
            raise invalid(name, account_id, "12 digits")
    return accounts


def region_list_param(given: Parameters, name: str, settings: Settings) -> tuple[str, ...]:
    """Give the regions of a comma list, each once. Raises RefusalError when one is not known."""
    return tuple(_known_region(name, region, settings) for region in _listed(given, name))


def limit_param(given: Parameters, name: str) -> int | None:
    """Give a number of servers; None when it is not there. Raises RefusalError when it is not from 1 to MAX_SERVERS."""
    value = given.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_SERVERS)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SERVERS:
        raise invalid(name, value, f"a whole number from 1 to {MAX_SERVERS}")
    return value


def _listed(given: Parameters, name: str) -> tuple[str, ...]:
    """Give the members of a comma list, each once."""
    parts = (part.strip() for part in text_param(given, name).split(","))
    found = tuple(dict.fromkeys(part for part in parts if part))
    if len(found) > _MAX_LISTED:
        raise invalid(name, f"{len(found)} entries", f"at most {_MAX_LISTED}")
    return found


@dataclass(frozen=True, slots=True)
class ScopesParams:
    """Which accounts and regions a question names. None means: all targets, and where the status table sees servers."""

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InventoryParams:
    """A question to the inventory. `limit` None: as many servers as an answer can carry."""

    scopes: ScopesParams = ScopesParams()
    filters: Filters = NO_FILTERS
    source_account: str = ""
    limit: int | None = None
    cursor: Cursor | None = None

    @property
    def digest(self) -> str:
        """A fingerprint of the question; pages of one question may have different limits."""
        return digest_of(
            {
                "accounts": sorted(self.scopes.accounts),
                "regions": sorted(self.scopes.regions),
                "filters": self.filters.as_json(),
                "sourceAccount": self.source_account,
            }
        )

    def lets_through(self, shown: Mapping[str, Any]) -> bool:
        """Tell whether a server is asked for."""
        return self.source_account in {"", shown["sourceAccount"]} and self.filters.lets_through(shown)


@dataclass(frozen=True, slots=True)
class ServersParams:
    """A question for the servers of one region; no account means all targets."""

    region: str
    account: str = ""
