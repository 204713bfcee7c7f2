"""DRS writes. In a module of their own, so that the query side can be forbidden to import them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call

__all__ = ["DrsWriter"]


class DrsWriter:
    """DRS writes in one account."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session

    async def extend(self, region: str, staging_server_arn: str) -> dict[str, Any]:
        """Extend a source server of a staging account into this account; return the new record.

        DRS does not document what a repeated call returns, so it must not be taken for idempotent.

        Raises:
            AwsError: this call did not extend it; another call may have.
        """
        response = await self._session.call(
            "drs", "CreateExtendedSourceServer", {"sourceServerArn": staging_server_arn}, region=region
        )
        record: dict[str, Any] = response["sourceServer"]
        area = record.get("stagingArea") or {}
        if area.get("stagingSourceServerArn", staging_server_arn) != staging_server_arn:
            raise self._malformed("CreateExtendedSourceServer", region, "response is about another source server")
        return record

    async def tag(self, region: str, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a resource or overwrite their values; other tags are kept. Raises AwsError."""
        await self._session.call("drs", "TagResource", {"resourceArn": arn, "tags": dict(tags)}, region=region)

    async def copy_tags_at_launch(self, region: str, server_id: str) -> None:
        """Set a server's launch configuration so that its recovery instances get its tags. Raises AwsError."""
        response = await self._session.call(
            "drs", "UpdateLaunchConfiguration", {"sourceServerID": server_id, "copyTags": True}, region=region
        )
        if response["copyTags"] is not True:
            raise self._malformed("UpdateLaunchConfiguration", region, "response says that copyTags is off")

    def _malformed(self, operation: str, region: str, why: str) -> AwsError:
        return AwsError("MalformedResponse", why, Call("drs", operation, self._session.account_id, region))
