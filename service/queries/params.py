"""Query parameters: query strings and direct parameters, parsed and validated before anything is read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.errors import RefusalError
from service.models import is_account_id
from service.partitions import is_region
from service.queries.filters import MAX_TEXT, NO_FILTERS, Filters, invalid, is_valid_unicode
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

MAX_SERVERS: Final = 1000
"""Servers on one page at most."""
_MAX_LIST_MEMBERS: Final = 1000

Parameters = Mapping[str, Any]


def missing(parameter: str) -> RefusalError:
    """Build the refusal of a missing parameter."""
    return RefusalError("MISSING_PARAMETER", f"{parameter} is required", details={"parameter": parameter})


def text_param(given: Parameters, name: str) -> str:
    """Return a text parameter, stripped; empty when it is absent. Raises RefusalError when it is not text."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not is_valid_unicode(value):
        raise invalid(name, value, "text")
    return value.strip()


def required_text_param(given: Parameters, name: str) -> str:
    """Return a required text parameter. Raises RefusalError when it is missing, not text, or longer than any name."""
    value = text_param(given, name)
    if not value:
        raise missing(name)
    if len(value) > MAX_TEXT:
        raise invalid(name, value, f"at most {MAX_TEXT} characters")
    return value


def account_param(given: Parameters, name: str) -> str:
    """Return an account id. Raises RefusalError when it is missing or not of 12 digits."""
    value = text_param(given, name)
    if not value:
        raise missing(name)
    if not is_account_id(value):
        raise invalid(name, value, "12 digits")
    return value


def region_param(given: Parameters, name: str, settings: Settings) -> str:
    """Return a region. Raises RefusalError when it is missing, excluded, or cannot be one of the hub's partition."""
    value = text_param(given, name)
    if not value:
        raise missing(name)
    return _possible_region(name, value, settings)


def _possible_region(name: str, value: str, settings: Settings) -> str:
    if value in settings.drs_excluded_regions:
        raise invalid(name, value, "a region that DRS_EXCLUDED_REGIONS does not exclude")
    if not settings.may_be_region(value):
        expected = f"a region of the partition {settings.partition.name}"
        raise invalid(name, value, expected, accepted=() if is_region(value) else settings.known_regions)
    return value


def account_list_param(given: Parameters, name: str) -> tuple[str, ...]:
    """Give the account ids of a comma list, each once. Raises RefusalError when one has not 12 digits."""
    accounts = _listed(given, name)
    for account_id in accounts:
        if not is_account_id(account_id):
            raise invalid(name, account_id, "12 digits")
    return accounts


def region_list_param(given: Parameters, name: str, settings: Settings) -> tuple[str, ...]:
    """Give the regions of a comma list, each once. Raises RefusalError when one is excluded or cannot be a region."""
    return tuple(_possible_region(name, region, settings) for region in _listed(given, name))


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
    """Return the members of a comma-separated list without duplicates."""
    parts = (part.strip() for part in text_param(given, name).split(","))
    members = tuple(dict.fromkeys(part for part in parts if part))
    if len(members) > _MAX_LIST_MEMBERS:
        raise invalid(name, f"{len(members)} entries", f"at most {_MAX_LIST_MEMBERS}")
    return members


@dataclass(frozen=True, slots=True)
class ScopesParams:
    """The accounts and regions that a query names. Without any: all targets, and the active regions."""

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InventoryParams:
    """Parameters of the inventory query. `limit` None means as many servers as a response can carry."""

    scopes: ScopesParams = ScopesParams()
    filters: Filters = NO_FILTERS
    source_account: str = ""
    limit: int | None = None
    cursor: Cursor | None = None

    @property
    def digest(self) -> str:
        """A hash of the parameters without `limit`, which may differ from page to page."""
        return digest_of(
            {
                "accounts": sorted(self.scopes.accounts),
                "regions": sorted(self.scopes.regions),
                "filters": self.filters.as_json(),
                "sourceAccount": self.source_account,
            }
        )

    @property
    def is_unfiltered(self) -> bool:
        """Whether every server of the accounts and regions matches."""
        return not self.source_account and self.filters == NO_FILTERS

    def matches(self, server: Mapping[str, Any], now: datetime) -> bool:
        """Whether a server matches the query at a time."""
        return self.source_account in {"", server["sourceAccount"]} and self.filters.matches(server, now)


@dataclass(frozen=True, slots=True)
class ServersParams:
    """Parameters of the servers query; no account means all targets.

    `current_group` is the protection group that is being edited: its servers are no obstacle to select them.
    """

    region: str
    account: str = ""
    current_group: str = ""
