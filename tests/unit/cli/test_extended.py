"""Table of extended servers: its errors are told once, in full, with the servers that have them."""

from __future__ import annotations

from service.cli.extended import extended_table
from tests.support.printed import SHOWN, WHY, joined, printed


def extended_server(number: int, **members: str) -> dict[str, str]:
    return {
        "hostname": f"app-{number}",
        "sourceServerID": f"s-{number:017x}",
        "targetAccountId": "111122223333",
        "stagingAccountId": "444455556666",
        "region": "us-west-2",
        "replicationState": "CONTINUOUS",
        "extensionStatus": "EXTENSION_ERROR" if members else "EXTENDED",
        **members,
    }


def test_an_error_of_extensions_is_told_once_with_its_servers() -> None:
    servers = [extended_server(0), *(extended_server(number, errorMessage=WHY) for number in range(1, 6))]
    body = {"extendedServers": servers, "count": 6, "byStagingAccount": {}, "complete": True}
    lines = printed(extended_table(body | {"scopes": [], "errors": [], "unknown": []}))
    assert lines[0] == "6 extended servers"
    assert [line.split()[1] for line in lines[2:8]] == [each["sourceServerID"] for each in servers]
    first, second, third = (servers[number]["sourceServerID"] for number in (1, 2, 3))
    assert joined(lines[9:]) == f"ERROR  {first}, {second}, {third} and 2 more  extension {SHOWN}"
