"""Filters of the inventory query: parsing, and matching of servers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from service.errors import RefusalError
from service.inventory.moving_values import duration_ms
from service.inventory.posture import Posture, is_recent, launched_at
from service.models import is_account_id
from service.text import suggestion

__all__ = [
    "MAX_TEXT",
    "NO_FILTERS",
    "REPLICATION_STATES",
    "UNKNOWN_STATE",
    "Filters",
    "invalid",
    "is_valid_unicode",
    "parse_filters",
]

MAX_TEXT: Final = 256
"""Maximum characters of a name; no host name, id or ARN has more."""
_MAX_DAYS: Final = 36_500
_MAX_INTEGER: Final = 2**63 - 1  # the largest integer that orjson writes
REPLICATION_STATES: Final = (
    "STOPPED",
    "INITIATING",
    "INITIAL_SYNC",
    "BACKLOG",
    "CREATING_SNAPSHOT",
    "CONTINUOUS",
    "PAUSED",
    "RESCAN",
    "STALLED",
    "DISCONNECTED",
)
"""Every replication state of DRS. A test compares them with the SDK's model."""
UNKNOWN_STATE: Final = "UNKNOWN"
"""The state of a server for which DRS reported none."""
_NAMES: Final = (
    "hostname",
    "replicationState",
    "stagingAccountId",
    "sourceAccountId",
    "minCpuCores",
    "minRamBytes",
    "unhealthy",
    "lagOverSeconds",
    "notDrilledForDays",
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that a server must all meet; an empty text or a zero is no condition.

    Args:
        hostname: part of the host name, in any case.
        replication_state: the state that DRS reports.
        staging_account: the account that replicates.
        source_account: the account of the source instance.
        min_cores: processor cores at least.
        min_ram_bytes: memory at least.
        unhealthy: in another posture than ready.
        lag_over_s: lag in seconds that it exceeds.
        not_drilled_days: not launched with success, as a drill or a recovery, within so many days.
    """

    hostname: str = ""
    replication_state: str = ""
    staging_account: str = ""
    source_account: str = ""
    min_cores: float = 0
    min_ram_bytes: float = 0
    unhealthy: bool = False
    lag_over_s: float = 0
    not_drilled_days: float = 0

    def matches(self, server: Mapping[str, Any], now: datetime) -> bool:
        """Whether a server meets every condition at a time."""
        hardware = server["hardware"]
        return (
            self.matches_brief(server)
            and (not self.source_account or self.source_account == server["sourceAccount"])
            and hardware["totalCores"] >= self.min_cores
            and hardware["ramBytes"] >= self.min_ram_bytes
            and (not self.unhealthy or server["posture"] != Posture.READY)
            and (not self.lag_over_s or (duration_ms(server["lagDuration"]) or 0) > self.lag_over_s * 1000)
            and (not self.not_drilled_days or not _is_drilled(server, now, timedelta(days=self.not_drilled_days)))
        )

    def matches_brief(self, server: Mapping[str, Any]) -> bool:
        """Whether a server meets the conditions that are about members of its brief view."""
        return (
            (not self.hostname or self.hostname in server["hostname"].casefold())
            and (not self.replication_state or self.replication_state == server["replicationState"])
            and (not self.staging_account or self.staging_account == server["stagingAccountId"])
        )

    def as_json(self) -> dict[str, Any]:
        """Return the conditions that are set."""
        return {name: value for name, value in asdict(self).items() if value}


def _is_drilled(server: Mapping[str, Any], now: datetime, age: timedelta) -> bool:
    initiated = {"type": server["lastLaunchType"], "apiCallDateTime": server["lastLaunchTime"]}
    launch = {"status": server["lastLaunchStatus"], "initiated": initiated}
    return is_recent(launched_at({"lifeCycle": {"lastLaunch": launch}}), now, age)


NO_FILTERS: Final = Filters()


def invalid(parameter: str, value: object, expected: str, *, accepted: Collection[str] = ()) -> RefusalError:
    """Build the refusal of a wrong parameter, with its value in a form that JSON can hold and what is expected.

    `accepted` are the words that it may have, of which the most similar one is suggested.
    """
    printable, name = _printable(value), _printable(parameter)
    similar = suggestion(printable, accepted)
    text = f"{name} is {printable!r}, {f'did you mean {similar}? E' if similar else 'e'}xpected {expected}"
    details = {"parameter": name, "value": printable, "expected": expected, "error": text}
    return RefusalError("INVALID_PARAMETER", text, details=details)


def is_valid_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate, which neither DynamoDB nor JSON in UTF-8 can hold."""
    return text.encode(errors="replace").decode() == text


def _printable(value: object) -> str:
    return str(value)[:80].encode("utf-8", "replace").decode()


def parse_filters(given: object) -> Filters:
    """Parse the filters: a JSON object, as text or already parsed.

    Raises:
        RefusalError: it is not an object, a name is not a filter, or a value is wrong.
    """
    if given is None or given == "":
        return NO_FILTERS
    members = _object(given)
    unknown = sorted(map(str, set(members) - set(_NAMES)))
    if unknown:
        raise invalid("filters", unknown[0], f"one or more of {', '.join(_NAMES)}", accepted=_NAMES)
    return Filters(
        hostname=_text(members, "hostname").casefold(),
        replication_state=_state(members, "replicationState"),
        staging_account=_account(members, "stagingAccountId"),
        source_account=_account(members, "sourceAccountId"),
        min_cores=_amount(members, "minCpuCores"),
        min_ram_bytes=_amount(members, "minRamBytes"),
        unhealthy=_flag(members, "unhealthy"),
        lag_over_s=_amount(members, "lagOverSeconds"),
        not_drilled_days=_days(members, "notDrilledForDays"),
    )


def _object(given: object) -> Mapping[str, Any]:
    value = given
    if isinstance(given, str):
        try:
            value = orjson.loads(given)
        except orjson.JSONDecodeError as error:
            text = f"filters is not JSON: {error}"
            raise RefusalError("INVALID_PARAMETER", text, details={"error": text}) from None
    if not isinstance(value, Mapping):
        raise invalid("filters", given, "a JSON object")
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not is_valid_unicode(value):
        raise invalid(f"filters.{name}", value, f"text of at most {MAX_TEXT} characters")
    return value


def _state(members: Mapping[str, Any], name: str) -> str:
    value, accepted = _text(members, name), (*REPLICATION_STATES, UNKNOWN_STATE)
    if value and value.upper() not in accepted:
        raise invalid(f"filters.{name}", value, f"one of {', '.join(accepted)}", accepted=accepted)
    return value.upper()


def _account(members: Mapping[str, Any], name: str) -> str:
    value = _text(members, name)
    if value and not is_account_id(value):
        raise invalid(f"filters.{name}", value, "12 digits")
    return value


def _flag(members: Mapping[str, Any], name: str) -> bool:
    value = members.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise invalid(f"filters.{name}", value, "true or false")


def _days(members: Mapping[str, Any], name: str) -> float:
    value = _amount(members, name)
    if value > _MAX_DAYS:
        raise invalid(f"filters.{name}", value, f"at most {_MAX_DAYS} days")
    return value


def _amount(members: Mapping[str, Any], name: str) -> float:
    value = members.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_INTEGER:
        raise invalid(f"filters.{name}", value, "a number that is not negative")
    return value
