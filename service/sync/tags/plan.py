"""Which EC2 tags a source server lacks, and whose launch settings are due to be read. Pure.

Tags are sensitive: no reason given here holds a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["TagPlan", "allows_launch_into", "is_in_turn", "needs_copy_tags", "plan_tags", "wanted_tags"]

_MAX_TAGS: Final = 50  # of one DRS resource, those of AWS itself not counted
_MAX_KEY_LENGTH: Final = 128  # EC2's limit: the tag has to go back onto an instance at launch
_MAX_VALUE_LENGTH: Final = 256
_MAX_NAMED: Final = 5
_HOURS: Final = 24
# The tag by which an operator lets DRS launch into an existing instance; copying tags must then be off.
_LAUNCH_INTO_TAG: Final = ("AWSDRS", "AllowLaunchingIntoThisInstance")


@dataclass(frozen=True, slots=True)
class TagPlan:
    """What to write onto one server. A refusal says why nothing is; neither means that nothing differs."""

    changes: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""


def wanted_tags(instance_tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that a server shall have; tags of AWS itself cannot be written by anyone else."""
    return {key: value for key, value in instance_tags.items() if not _is_of_aws(key)}


def plan_tags(current: Mapping[str, str], wanted: Mapping[str, str]) -> TagPlan:
    """Decide what to write: the wanted tags that differ. Nothing is ever removed.

    A server is refused as a whole rather than given a part of its tags, which would look like all of them.

    Args:
        current: tags of the DRS source server.
        wanted: tags that it shall have, none of AWS's own.
    """
    changes = {key: value for key, value in wanted.items() if current.get(key) != value}
    reasons = "; ".join(_objections(current, changes))
    return TagPlan(refusal=reasons) if reasons else TagPlan(changes)


def _objections(current: Mapping[str, str], changes: Mapping[str, str]) -> Iterable[str]:
    together = sum(not _is_of_aws(key) for key in current.keys() | changes.keys())
    if changes and together > _MAX_TAGS:
        yield f"{together} tags with those it has, and DRS takes {_MAX_TAGS}"
    if "" in changes:
        yield "a tag has an empty key"
    if keys := [key for key in changes if len(key) > _MAX_KEY_LENGTH]:
        yield f"keys longer than {_MAX_KEY_LENGTH} characters: {_named(keys)}"
    if keys := [key for key, value in changes.items() if len(value) > _MAX_VALUE_LENGTH]:
        yield f"values longer than {_MAX_VALUE_LENGTH} characters under the keys: {_named(keys)}"


def _named(keys: list[str]) -> str:
    """Return some keys as text, an overlong one shortened."""
    named = ", ".join(key if len(key) <= _MAX_KEY_LENGTH else f"{key[:32]}..." for key in sorted(keys)[:_MAX_NAMED])
    more = len(keys) - _MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _is_of_aws(key: str) -> bool:
    return key.lower().startswith("aws:")


def allows_launch_into(instance_tags: Mapping[str, str]) -> bool:
    """Whether DRS may launch into the instance; its server's launch settings are then left alone."""
    key, value = _LAUNCH_INTO_TAG
    return instance_tags.get(key) == value


def needs_copy_tags(launch_configuration: Mapping[str, Any]) -> bool:
    """Whether recovery instances should be given the tags and are not yet.

    Never where launch into an instance is set up, which DRS refuses to combine with copied tags.
    """
    into = launch_configuration.get("launchIntoInstanceProperties") or {}
    return not (launch_configuration.get("copyTags") or into.get("launchIntoEC2InstanceID"))


def is_in_turn(arn: str, now: datetime) -> bool:
    """Whether this is the hour of the day in which launch settings are read again though they are remembered.

    The hour differs from day to day: with a sync every hour each server has one turn a day, and a sync that runs only
    every few hours still comes to each of them in the end.
    """
    moment = now.astimezone(UTC)
    digest = hashlib.blake2b(f"{arn} {moment:%Y-%m-%d}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _HOURS == moment.hour
