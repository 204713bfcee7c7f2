"""EC2 reads: instances in bulk, by filter, so that an unknown id costs nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from service.aws.client import AccountSession
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
        wanted = sorted(set(instance_ids))
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(wanted), _VALUES_PER_FILTER):
            chunk = wanted[start : start + _VALUES_PER_FILTER]
            params: dict[str, Any] = {
                "Filters": [{"Name": "instance-id", "Values": chunk}],
                "MaxResults": _PAGE_SIZE,
            }
            while True:
                answer = await self._session.call("ec2", "DescribeInstances", params, region=region)
                if "Reservations" not in answer:
                    call = Call("ec2", "DescribeInstances", self._session.account_id, region)
                    raise AwsError("MalformedResponse", "no reservations in the answer", call)
                for reservation in answer["Reservations"]:
                    shown = reservation.get("Instances", [])
                    found.update({instance["InstanceId"]: instance for instance in shown if not _is_gone(instance)})
                if not answer.get("NextToken"):
                    break
                params = {**params, "NextToken": answer["NextToken"]}
        return found


def _is_gone(instance: Mapping[str, Any]) -> bool:
    return bool(instance.get("State", {}).get("Name") == "terminated")
