"""EC2 reads: DescribeInstances for many ids at once, with pagination."""

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
    """The EC2 reads that a sync needs, in one account."""

    async def instances(self, region: str, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the instances that exist, by id. Raises AwsError when a page cannot be read."""
        ...


class Ec2Reader:
    """EC2 reads in one account."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session

    async def instances(self, region: str, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the instances that exist, by id: 200 ids per call; unknown and terminated instances are left out.

        Filters are used because one unknown id among `InstanceIds` fails the whole call. EC2 lists a terminated
        instance for about an hour, without network and later without tags: recording it would erase stored facts.

        Raises:
            AwsError: a page could not be read.
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
