"""EC2 reads: instances in bulk, by filter, so that an unknown id costs nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from service.aws.client import AccountSession
from service.aws.pagination import paginate
from service.errors import AwsError
from service.models import Call

__all__ = ["Ec2Reader", "Ec2Reads"]

_VALUES_PER_FILTER: Final = 200  # EC2's limit on filter values per request
_PAGE_SIZE: Final = 1000


class Ec2Reads(Protocol):
    """What a sync asks of EC2 in one account."""

    async def instances(self, region: str, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Give the instances that exist, by id. Raises AwsError when some could not be asked for."""
        ...


class Ec2Reader:
    """EC2 of one account."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session

    async def instances(self, region: str, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Give the instances that exist, by id: 200 ids a call, unknown and terminated ones silently left out.

        `Filters`, not `InstanceIds`: one unknown id in the latter fails the whole call. A terminated instance is shown
        for an hour, with neither network nor, in the end, tags: taken for an answer it would wipe what is known.
        """
        call = Call("ec2", "DescribeInstances", self._session.account_id, region)
        unique_ids = sorted(set(instance_ids))
        by_id: dict[str, dict[str, Any]] = {}
        for start in range(0, len(unique_ids), _VALUES_PER_FILTER):
            chunk = unique_ids[start : start + _VALUES_PER_FILTER]
            params = {"Filters": [{"Name": "instance-id", "Values": chunk}], "MaxResults": _PAGE_SIZE}
            pages = paginate(self._session, call, params, items="Reservations", cursor="NextToken")
            async for reservations in pages:
                try:
                    by_id.update(_existing(reservations))
                except KeyError:
                    raise AwsError("MalformedResponse", "an instance is missing InstanceId", call) from None
        return by_id


def _existing(reservations: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Index the instances that are not terminated by id."""
    return {
        instance["InstanceId"]: instance
        for reservation in reservations
        for instance in reservation.get("Instances", ())
        if instance.get("State", {}).get("Name") != "terminated"
    }
