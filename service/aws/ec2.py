"""EC2 reads: DescribeInstances for many ids at once, or for every instance, with pagination."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from typing import Any, Final, Protocol

from service.aws.client import AccountSession
from service.aws.pagination import paginate
from service.errors import AwsError
from service.models import Call, OddRecord

__all__ = ["Ec2Reader", "Ec2Reads"]

_VALUES_PER_FILTER: Final = 200  # EC2's limit on filter values per request
_PAGE_SIZE: Final = 1000
_MAX_PAGES: Final = 50  # for 200 ids, which fit on one; EC2 may return pages that are empty or not full


class Ec2Reads(Protocol):
    """The EC2 reads that a sync needs, in one account."""

    async def instances(self, region: str, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the instances that exist, by id; an `OddRecord` for one whose record cannot be used.

        Raises:
            AwsError: a page could not be read.
        """
        ...


class Ec2Reader:
    """EC2 reads in one account."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session

    async def instances(self, region: str, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the instances that exist, by id: 200 ids per call; unknown and terminated instances are left out.

        Filters are used because one unknown id among `InstanceIds` fails the whole call. EC2 lists a terminated
        instance for about an hour, without network and later without tags: recording it would erase stored facts.
        An instance whose record lacks the key of a tag or the id of a security group is an `OddRecord`.

        Raises:
            AwsError: a page could not be read, or an instance on it has no id.
        """
        call = Call("ec2", "DescribeInstances", self._session.account_id, region)
        unique_ids = sorted(set(instance_ids))
        by_id: dict[str, dict[str, Any]] = {}
        for start in range(0, len(unique_ids), _VALUES_PER_FILTER):
            chunk = unique_ids[start : start + _VALUES_PER_FILTER]
            params = {"Filters": [{"Name": "instance-id", "Values": chunk}], "MaxResults": _PAGE_SIZE}
            pages = paginate(
                self._session, call, params, items="Reservations", cursor="NextToken", max_pages=_MAX_PAGES
            )
            async for reservations in pages:
                for instance in (each for reservation in reservations for each in _instances_of(reservation, call)):
                    by_id[_id_of(instance, chunk, call)] = _checked(instance)
        return {
            instance_id: instance
            for instance_id, instance in by_id.items()
            if instance.get("State", {}).get("Name") != "terminated"
        }

    async def every_instance(self, region: str) -> AsyncGenerator[list[tuple[str, dict[str, Any]]], None]:
        """Yield every instance of a region, page by page, each with the account that owns it; terminated ones too.

        The iterator ends without an error only after the last page. The owner is empty where EC2 does not tell it.

        Raises:
            AwsError: a page could not be read, or an instance on it has no id.
        """
        call = Call("ec2", "DescribeInstances", self._session.account_id, region)
        pages = paginate(self._session, call, {"MaxResults": _PAGE_SIZE}, items="Reservations", cursor="NextToken")
        async for reservations in pages:
            page = [
                (str(reservation.get("OwnerId", "")), instance)
                for reservation in reservations
                for instance in _instances_of(reservation, call)
            ]
            if not all(instance.get("InstanceId") for _, instance in page):
                raise AwsError("MalformedResponse", "an instance is missing InstanceId", call)
            yield page


def _instances_of(reservation: Mapping[str, Any], call: Call) -> list[dict[str, Any]]:
    if not reservation.get("Instances"):
        raise AwsError("MalformedResponse", "a reservation is missing Instances", call)
    instances: list[dict[str, Any]] = reservation["Instances"]
    return instances


def _id_of(instance: Mapping[str, Any], requested: Collection[str], call: Call) -> str:
    instance_id: str = instance.get("InstanceId", "")
    if instance_id not in requested:
        raise AwsError("MalformedResponse", "an instance has none of the requested ids as InstanceId", call)
    return instance_id


def _checked(instance: dict[str, Any]) -> dict[str, Any]:
    """Return an instance; or an `OddRecord`, if a tag of it has no key or a security group has no id."""
    for name, member in (("Tags", "Key"), ("SecurityGroups", "GroupId")):
        if not all(member in each for each in instance.get(name, ())):
            return OddRecord(f"an entry of {name} is missing {member}", {})
    return instance
