"""What commands show on a terminal, as files in `tests/cli/expected`, at 80 and at 160 columns.

`python -m tests.cli.test_faces` rewrites the files; read the difference before you commit it.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock

import anyio
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from service.app import open_app
from service.cli.accounts import accounts_table
from service.cli.diagnosis import Finding, Level
from service.cli.doctor import finding_paragraphs
from service.cli.extended import extended_table
from service.cli.main import run
from service.cli.problem_text import problem_paragraphs
from service.cli.regions import regions_table
from service.cli.report_tables import report_tables
from service.cli.servers_text import servers_table
from service.cli.status import screen
from service.cli.unknown import unknown_block
from service.context import SyncRequest
from service.queries.request_models import InventoryRequest, ScopesRequest
from service.query_app import open_query_app
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox, Names

_EXPECTED: Final = Path(__file__).parent / "expected"
_WIDTHS: Final = (80, 160)
_DENIED: Final = (
    "access to DRS is denied: drs:DescribeSourceServers: AccessDeniedException: User: "
    "arn:aws:sts::111122223333:assumed-role/DRSOrchestrationRole/drs-sync is not authorized"
)
_GRANT: Final = "allow drs:DescribeSourceServers in a policy of the role that drs-sync uses in account 111122223333"

FINDINGS: Final = (
    Finding("hub", Level.OK, "this is account 999900001111; its tables are in us-east-1"),
    *(Finding("drs", Level.OK, "DRS answers", "", f"1111000000{number:02}", "us-east-1") for number in range(40)),
    Finding("drs", Level.WARNING, "throttled while checking", "run it again later", "111122223333", "eu-west-1"),
    Finding("drs", Level.FAILED, _DENIED, _GRANT, "111122223333", "us-west-2"),
    *(Finding("role", Level.FAILED, "there is no role", "create it", f"2222000000{number:02}") for number in range(5)),
)
REPORT: Final[Mapping[str, Any]] = {
    "errors": [
        {
            "accountId": "111122223333",
            "regions": ["us-west-2"],
            "service": "drs",
            "operation": "DescribeSourceServers",
            "code": "AccessDeniedException",
            "cause": "access to DRS is denied",
            "message": "not authorized \x1b[2J [red]",
            "advice": _GRANT,
        },
        {
            "accounts": 7,
            "regions": ["af-south-1", "ap-east-1", "ap-south-1", "eu-west-1"],
            "code": "Unreachable",
            "cause": "",
            "message": "no connection",
            "advice": "check DNS and egress",
        },
    ],
    "warnings": [{"regions": [], "code": "ReqExcluded", "message": "eu-north-1 is excluded"}],
}

# Accounts of no other test, since ids of servers, and with them the files, depend on the account.
_NAMES: Final = Names(hub="620000000001", a="620000000002", b="620000000003", apps="620000000004")
_EAST, _WEST = "us-east-1", "us-west-2"
_FLEET: Final[Mapping[str, Any]] = {
    "hub": {"account_id": _NAMES.hub, "registered": False},
    "tables": {"environment": "faces"},
    "accounts": [
        {
            "account_id": _NAMES.a,
            "name": "Retail DR",
            "staging_accounts": [_NAMES.b],
            "regions": {
                _EAST: {
                    "origin": {"account_id": _NAMES.apps, "region": "eu-west-1"},
                    "servers": [
                        {"hostname": "srv-東京-01"},
                        {"hostname": "app"},
                        {"hostname": "a-host-name-that-is-longer-than-all-the-others.retail.example.com"},
                        {"hostname": "web-0001", "state": "INITIAL_SYNC"},
                    ],
                },
                _WEST: {"servers": 2},
                "sa-east-1": {"extended_from": [{"account_id": _NAMES.b}]},
            },
        },
        {"account_id": _NAMES.b, "name": "Staging", "kind": "staging", "regions": {"sa-east-1": {"servers": 1}}},
        {"account_id": _NAMES.apps, "name": "Apps", "regions": {_WEST: {"servers": 1}}},
    ],
}
_EXTENDED_ID: Final = "s-0123456789abcdef0"  # in place of the id that DRS draws when it extends a server
_SYNCED_AT: Final = datetime(2024, 3, 1, 8, tzinfo=UTC)  # sessions of the sandbox, by the clock of this host, end later
_SHOWN_AT: Final = _SYNCED_AT + timedelta(minutes=14)


@dataclass(frozen=True, slots=True)
class Documents:
    """What commands print as JSON, of one synced sandbox."""

    report: Mapping[str, Any]
    servers: Mapping[str, Any]
    extended: Mapping[str, Any]
    regions: Mapping[str, Any]
    accounts: Mapping[str, Any]
    estate: Mapping[str, Any]


async def _documents() -> Documents:
    settings = load_settings()
    async with open_app(settings, lambda: _SYNCED_AT) as app:
        report = await app.sync_inventory(SyncRequest(full_scan=True))
    async with open_query_app(settings, lambda: _SHOWN_AT) as app:
        scopes = ScopesRequest.parse({}, settings).scopes
        extended = (await app.extended.run(scopes)).body
        documents = {
            "report": {**report, "durationSeconds": 2.5},  # the only member that is measured
            "servers": (await app.inventory.run(InventoryRequest.parse({}, settings).params)).body,
            "extended": extended,
            "regions": (await app.regions.run()).body,
            "accounts": (await app.accounts.run()).body,
            "estate": (await app.estate.run(scopes)).body,
        }
    (server,) = extended["extendedServers"]
    return Documents(**json.loads(json.dumps(documents).replace(server["sourceServerID"], _EXTENDED_ID)))


@contextmanager
def _synced() -> Iterator[Documents]:
    """Sync a sandbox at a fixed time: one server stalls, and a policy denies one account and region."""
    with pytest.MonkeyPatch.context() as patch, EngineSandbox(_FLEET, _NAMES, patch) as sandbox:
        first, second, *_ = sandbox.records(_NAMES.a, _EAST)
        second["sourceProperties"]["identificationHints"]["hostname"] = "evil\x1b[2J[red]"
        first["dataReplicationInfo"].update(
            dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"}, lagDuration="PT2H"
        )
        sandbox.faults(deny=[{"account_id": _NAMES.apps, "region": _WEST, "service": "drs", "scp": True}])
        yield anyio.run(_documents)


@pytest.fixture(scope="module")
def documents() -> Iterator[Documents]:
    """Provide the documents of a synced sandbox."""
    with _synced() as found:
        yield found


FACES: Final[Mapping[str, Callable[[], list[RenderableType]]]] = {
    "doctor": lambda: list(finding_paragraphs(FINDINGS, verbose=False)),
    "problems": lambda: list(problem_paragraphs(REPORT)),
}
# Faces of documents; the width is that of the terminal.
_OF_DOCUMENTS: Final[Mapping[str, Callable[[Documents, int], list[RenderableType]]]] = {
    "servers": lambda found, _: [servers_table(found.servers, _SHOWN_AT, is_wide=False), *unknown_block(found.servers)],
    "servers-wide": lambda found, _: [servers_table(found.servers, _SHOWN_AT, is_wide=True)],
    "extended": lambda found, _: [extended_table(found.extended), *unknown_block(found.extended)],
    "regions": lambda found, _: [regions_table(found.regions), *unknown_block(found.regions)],
    "accounts": lambda found, _: [accounts_table(found.accounts), *unknown_block(found.accounts)],
    "status": lambda found, width: [screen(found.estate, width)],
    "sync-inventory": lambda found, _: [report_tables(found.report)],
}
_WIDER: Final = frozenset({"servers-wide"})  # what `-o wide` asks for
HELP: Final[Mapping[str, tuple[str, ...]]] = {
    "help": (),
    "help-servers": ("servers",),
    "help-status": ("status",),
    "help-sync-inventory": ("sync", "inventory"),
}


def _printed(face: list[RenderableType], width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(*face, crop=False, sep="\n")
    return _stripped(text.getvalue())


def _help(command: tuple[str, ...], width: int) -> str:
    text = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS=str(width)), redirect_stdout(text):
        assert run([*command, "--help"]) == 0
    return _stripped(Text.from_ansi(text.getvalue()).plain)  # typer writes colours where GITHUB_ACTIONS is set


def _stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _path(face: str, width: int) -> Path:
    return _EXPECTED / f"{face}.{width}.txt"


def _check(face: str, width: int, shown: str) -> None:
    assert shown == _path(face, width).read_text(encoding="utf-8"), "python -m tests.cli.test_faces rewrites the file"
    assert face in _WIDER or max(map(cell_len, shown.splitlines())) <= width


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("face", FACES)
def test_a_terminal_shows_what_the_file_says(face: str, width: int) -> None:
    _check(face, width, _printed(FACES[face](), width))


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("face", _OF_DOCUMENTS)
def test_a_terminal_shows_of_a_synced_estate_what_the_file_says(face: str, width: int, documents: Documents) -> None:
    _check(face, width, _printed(_OF_DOCUMENTS[face](documents, width), width))


@pytest.mark.parametrize("width", _WIDTHS)
@pytest.mark.parametrize("face", HELP)
def test_help_is_what_the_file_says(face: str, width: int) -> None:
    _check(face, width, _help(HELP[face], width))


def test_verbose_lists_what_is_ok_as_well() -> None:
    text = io.StringIO()
    Console(file=text, width=80).print(*finding_paragraphs(FINDINGS, verbose=True), sep="\n")
    assert "  drs 111100000000 and 39 more us-east-1: DRS answers" in text.getvalue()
    assert "--verbose" not in text.getvalue()


if __name__ == "__main__":
    with _synced() as synced:
        for columns in _WIDTHS:
            texts = {name: _printed(face(), columns) for name, face in FACES.items()}
            texts |= {name: _printed(face(synced, columns), columns) for name, face in _OF_DOCUMENTS.items()}
            texts |= {name: _help(command, columns) for name, command in HELP.items()}
            for name, shown_text in texts.items():
                _path(name, columns).write_text(shown_text, encoding="utf-8")
