"""Members of a request that its operation does not have: ignored, unless one looks like a mistyped restriction. Pure.

Callers of the platform may send members that its handlers never looked at. But a sync whose restriction is mistyped and
ignored would scan and write more than its caller wants.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any, Final

from service.errors import RefusalError
from service.text import printable, suggestion

__all__ = ["extra_members", "reject_mistyped"]

_MAX_LISTED: Final = 20
_MAX_CHARS: Final = 100  # of a name that a response repeats
_MAX_COMPARED: Final = 200  # unknown members, and the characters of one: a comparison takes time
_CUTOFF: Final = 0.8  # "acounts" and "account" are like accountIds, "accountName" is not


def extra_members(given: Iterable[str], known: Collection[str]) -> list[str]:
    """Return the first names that are not known, such as a response may repeat. One with an underscore is internal."""
    extra = (str(name) for name in given if name not in known)
    return [printable(name)[:_MAX_CHARS] for name in islice((name for name in extra if name[:1] != "_"), _MAX_LISTED)]


def reject_mistyped(given: Mapping[str, Any], known: Collection[str], restricting: Collection[str]) -> None:
    """Refuse a member that is not known and probably stands for one that restricts the request.

    Args:
        given: the members of the request. An empty value restricts nothing.
        known: names of the members that the operation has.
        restricting: those of them that make it do less, such as `regions` and `dryRun`.

    Raises:
        RefusalError: names the member, and the one that was probably meant.
    """
    unknown = (str(name) for name, value in given.items() if value and name not in known)
    for name in islice((name for name in unknown if len(name) <= _MAX_COMPARED), _MAX_COMPARED):
        meant = suggestion(name, restricting, cutoff=_CUTOFF)
        if meant and not given.get(meant):
            problem = f"did you mean {meant}? If it were ignored, the request would do more than it says"
            details = {"problems": [{"parameter": name, "problem": problem}]}
            raise RefusalError("INVALID_PARAMETER", f"this operation has no member {name}: {problem}", details=details)
