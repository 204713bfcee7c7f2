"""DRS reads, with pagination: each page is yielded as it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, Protocol

from service.aws.client import AccountSession
from service.aws.pagination import paginate
from service.errors import AwsError
from service.models import Call, is_account_id

__all__ = ["DrsReader", "DrsReads", "is_server_arn"]

Record = dict[str, Any]
# Maximum page sizes in the service model of DRS.
_EXTENSIBLE_PAGE: Final = 300
_STAGING_PAGE: Final = 50
_ARN_PARTS: Final = 6
_FILTER_VALUES: Final = 200  # of a filter by ids; an empty filter would select everything


class DrsReads(Protocol):
    """The DRS reads that a sync needs, in one account."""

    def source_servers(
        self, region: str, *, staging_accounts: Sequence[str] = ()
    ) -> AsyncGenerator[list[Record], None]:
        """Yield the pages of DescribeSourceServers. Raises AwsError when one cannot be read."""
        ...

    async def templates(self, region: str) -> list[Record]:
        """Return all replication configuration templates. Raises AwsError."""
        ...

    async def replication_configuration(self, region: str, server_id: str) -> Record:
        """Return the replication configuration of one server. Raises AwsError."""
        ...

    async def recovery_instances(self, region: str, server_ids: Sequence[str]) -> list[Record]:
        """Return the recovery instances launched from source servers. Raises AwsError."""
        ...

    async def extensible(self, region: str, staging_account: str) -> list[Record]:
        """Return the servers of a staging account that are not extended into this account. Raises AwsError."""
        ...

    async def staging_accounts(self, region: str) -> list[str]:
        """Return the ids of staging accounts that have a server extended into this account. Raises AwsError."""
        ...


class DrsReader:
    """DRS reads in one account."""

    def __init__(self, session: AccountSession, *, page_size: int) -> None:
        self._session = session
        self._page_size = page_size

    async def source_servers(
        self, region: str, *, staging_accounts: Sequence[str] = ()
    ) -> AsyncGenerator[list[Record], None]:
        """Yield the pages of DescribeSourceServers, DRS_PAGE_SIZE servers each.

        The iterator ends without an error only after the last page. A record of an unexpected structure is an
        `OddRecord`: its server exists, and nothing else is known of it.

        Args:
            region: region to read.
            staging_accounts: only servers that these accounts replicate; empty for all servers.
        """
        filters = {"filters": {"stagingAccountIDs": list(staging_accounts)}} if staging_accounts else {}
        params = {"maxResults": self._page_size, **filters}
        async for page in self._pages("DescribeSourceServers", region, params, keeps_odd=True):
            yield page

    async def source_server(self, region: str, arn: str) -> Record | None:
        """Return the record of the source server with an ARN; None if DRS does not have it."""
        params = {"maxResults": self._page_size, "filters": {"sourceServerIDs": [arn.rpartition("/")[2]]}}
        pages = self._pages("DescribeSourceServers", region, params)
        found = [record async for page in pages for record in page if record.get("arn") == arn]
        return next(iter(found), None)

    async def recovery_instances(self, region: str, server_ids: Sequence[str]) -> list[Record]:
        """Return the recovery instances launched from source servers; none for no server. 200 servers per call."""
        found: list[Record] = []
        for start in range(0, len(server_ids), _FILTER_VALUES):
            filters = {"sourceServerIDs": list(server_ids[start : start + _FILTER_VALUES])}
            params = {"maxResults": self._page_size, "filters": filters}
            async for page in self._pages("DescribeRecoveryInstances", region, params):
                found += page
        return found

    async def extensible(self, region: str, staging_account: str) -> list[Record]:
        """Return the servers of a staging account that are not extended into this account: `arn`, `hostname`, `tags`.

        DRS leaves out servers that are themselves extended. Up to 300 per call.
        """
        params = {"stagingAccountID": staging_account, "maxResults": _EXTENSIBLE_PAGE}
        pages = self._pages("ListExtensibleSourceServers", region, params)
        records = [record async for page in pages for record in page]
        if not all(is_server_arn(record.get("arn"), staging_account, region) for record in records):
            why = f"an entry is not a source server of {staging_account} in {region}"
            raise self._malformed("ListExtensibleSourceServers", region, why)
        return records

    async def staging_accounts(self, region: str) -> list[str]:
        """Return the ids of staging accounts that have a server extended into this account; DRS lists no others."""
        pages = self._pages("ListStagingAccounts", region, {"maxResults": _STAGING_PAGE}, items="accounts")
        account_ids = [record.get("accountID") async for page in pages for record in page]
        if not all(is_account_id(account_id) for account_id in account_ids):
            raise self._malformed("ListStagingAccounts", region, "an account is missing accountID")
        return [str(account_id) for account_id in account_ids]

    async def launch_configuration(self, region: str, server_id: str) -> Record:
        """Return the launch configuration of one server."""
        return await self._configuration("GetLaunchConfiguration", region, server_id)

    async def templates(self, region: str) -> list[Record]:
        """Return all replication configuration templates of a region, usually none or one."""
        pages = self._pages("DescribeReplicationConfigurationTemplates", region, {"maxResults": self._page_size})
        return [record async for page in pages for record in page]

    async def replication_configuration(self, region: str, server_id: str) -> Record:
        """Return the replication configuration of one server, about 0.8 KB."""
        return await self._configuration("GetReplicationConfiguration", region, server_id)

    async def _configuration(self, operation: str, region: str, server_id: str) -> Record:
        response = await self._session.call("drs", operation, {"sourceServerID": server_id}, region=region)
        configuration = {key: value for key, value in response.items() if key != "ResponseMetadata"}
        # An empty configuration would be recorded as an original for good, or "fixed" by overwriting launch settings.
        if not configuration:
            raise self._malformed(operation, region, "response has no members")
        return configuration

    def _pages(
        self, operation: str, region: str, params: dict[str, Any], *, items: str = "items", keeps_odd: bool = False
    ) -> AsyncGenerator[list[Record], None]:
        call = self._call(operation, region)
        return paginate(self._session, call, params, items=items, cursor="nextToken", keeps_odd=keeps_odd)

    def _malformed(self, operation: str, region: str, why: str) -> AwsError:
        return AwsError("MalformedResponse", why, self._call(operation, region))

    def _call(self, operation: str, region: str) -> Call:
        return Call("drs", operation, self._session.account_id, region)


def is_server_arn(arn: object, account_id: str, region: str) -> bool:
    """Whether a value is the ARN of a source server of an account in a region."""
    parts = arn.split(":") if isinstance(arn, str) else []
    return (
        parts[2:5] == ["drs", region, account_id] and len(parts) == _ARN_PARTS and parts[5].startswith("source-server/")
    )
