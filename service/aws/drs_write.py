"""DRS writes. Apart from the reads, so that what may not write cannot even import them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.aws.client import AccountSession

__all__ = ["DrsWriter"]


class DrsWriter:
    """Changes to DRS in one account."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session

    async def extend(self, region: str, staging_server_arn: str) -> dict[str, Any]:
        """Extend a source server of a staging account into this account; give the new record.

        Not idempotent on the side of AWS: DRS does not say what a repeat answers.

        Raises:
            AwsError: it was not extended by this call; it may have been by another one.
        """
        answer = await self._session.call(
            "drs", "CreateExtendedSourceServer", {"sourceServerArn": staging_server_arn}, region=region
        )
        record: dict[str, Any] = answer.get("sourceServer", {})
        return record

    async def tag(self, region: str, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a resource, or overwrite their values; other tags stay. Raises AwsError."""
        await self._session.call("drs", "TagResource", {"resourceArn": arn, "tags": dict(tags)}, region=region)

    async def copy_tags_at_launch(self, region: str, server_id: str) -> None:
        """Make recovery instances of a server get its tags. Raises AwsError."""
        await self._session.call(
            "drs", "UpdateLaunchConfiguration", {"sourceServerID": server_id, "copyTags": True}, region=region
        )
