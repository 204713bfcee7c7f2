"""Which hosts are answered."""

from __future__ import annotations

import pytest

from service.web.guard import is_allowed_host, is_loopback


@pytest.mark.parametrize(
    ("host", "allowed", "remote"),
    [
        ("127.0.0.1", True, True),
        ("127.0.0.1:8080", True, True),
        ("localhost:8080", True, True),
        ("LOCALHOST", True, True),
        ("[::1]:8080", True, True),
        ("[::1]", True, True),
        ("dr.example:80", True, True),
        ("10.0.0.7:8080", False, True),
        ("[2001:db8::1]:80", False, True),
        ("evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("localhost.evil.example:8080", False, False),
        ("", False, False),
        ("127.0.0.1:80:90", False, False),
    ],
)
def test_only_known_names_and_addresses_are_answered(host: str, allowed: bool, remote: bool) -> None:  # noqa: FBT001 - rows of a table
    assert is_allowed_host(host, {"dr.example"}, is_remote=False) is allowed
    assert is_allowed_host(host, {"dr.example"}, is_remote=True) is remote


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "dr.example", "")],  # noqa: S104 - refused
)
def test_which_hosts_only_this_machine_reaches(host: str, loopback: bool) -> None:  # noqa: FBT001 - rows of a table
    assert is_loopback(host) is loopback
