"""What is wrong with an account or its hub is told with one cause and one fix by the doctor, a sync and a query."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.cli.test_unknown import command
from tests.support.sandbox import EngineSandbox, Names, new_account_id

HERE = "us-west-2"
EXPIRED = "Signature expired: 20261123T060000Z is now earlier than 20261123T061000Z (20261123T061500Z - 5 min.)"
NOT_AUTHORIZED = "User: arn:aws:sts::1:assumed-role/R/s is not authorized to perform: "
DRS = f"{NOT_AUTHORIZED}drs:DescribeSourceServers on resource: * "
ACTION = "the drs:DescribeSourceServers action"
KMS = (
    "KMS key access denied error: not authorized to perform: kms:Decrypt on resource: "
    "arn:aws:kms:us-east-1:111122223333:key/0aa1 because no resource-based policy allows the kms:Decrypt action"
)

Failure = tuple[str, str, str, int, str]
"""Service, operation, error code, HTTP status and text with which every such call fails."""
STS, SCAN = ("sts", "AssumeRole"), ("drs", "DescribeSourceServers")
SET_UPS: dict[str, tuple[Failure, str, str]] = {
    # -> error class, words of the fix
    "its role is assumed with a signature that is too old": (
        (*STS, "SignatureDoesNotMatch", 403, EXPIRED),
        "ClockSkew",
        "set the clock of this host",
    ),
    "its calls have a signature that is too old": (
        (*SCAN, "InvalidSignatureException", 403, EXPIRED),
        "ClockSkew",
        "set the clock of this host",
    ),
    "the hub's session is expired when its role is assumed": (
        (*STS, "ExpiredToken", 403, "The security token included in the request is expired"),
        "SessionExpired",
        "log in again",
    ),
    "STS is not active": (
        (*STS, "RegionDisabledException", 403, "STS is not activated in this region"),
        "StsInactive",
        "activate STS",
    ),
    "the hub's token is refused when its role is assumed": (
        (*STS, "InvalidClientTokenId", 403, "The security token included in the request is invalid"),
        "CredentialsRejected",
        "renew them",
    ),
    "STS has a fault when its role is assumed": (
        (*STS, "ServiceUnavailable", 503, "Service is unavailable"),
        "ServerFault",
        "AWS Health Dashboard",
    ),
    "no policy allows the call": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}because no identity-based policy allows {ACTION}"),
        "IdentityPolicy",
        "allow drs:DescribeSourceServers in a policy of",
    ),
    "a policy denies the call": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}with an explicit deny in an identity-based policy"),
        "ExplicitDeny",
        "remove the explicit deny",
    ),
    "a service control policy": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}with an explicit deny in a service control policy"),
        "ServiceControlPolicy",
        "DRS_EXCLUDED_REGIONS",
    ),
    "a resource control policy": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}with an explicit deny in a resource control policy"),
        "ResourceControlPolicy",
        "resource control policies",
    ),
    "a permissions boundary": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}because no permissions boundary allows {ACTION}"),
        "PermissionsBoundary",
        "permissions boundary of",
    ),
    "a session policy": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}because no session policy allows {ACTION}"),
        "SessionPolicy",
        "session policy",
    ),
    "a VPC endpoint policy": (
        (*SCAN, "AccessDeniedException", 403, f"{DRS}because no VPC endpoint policy allows {ACTION}"),
        "VpcEndpointPolicy",
        "policy of the VPC endpoint of drs",
    ),
    "the account is suspended": (
        (*SCAN, "AccessDeniedException", 403, "This account is currently suspended"),
        "AccountSuspended",
        "reopened",
    ),
}


OF_CONNECTIONS = {
    # -> error class, words of the fix
    "an unknown CA": ("CertificateUnknownIssuer", "AWS_CA_BUNDLE"),
    "another name": ("CertificateOtherName", "AWS_ENDPOINT_URL"),
    "expired": ("CertificateExpired", "clock of this host"),
    "a proxy that answers 407": ("ProxyRefused", "HTTPS_PROXY"),
    "a proxy that answers 403": ("ProxyRefused", "HTTPS_PROXY"),
    "a proxy that answers 502": ("ProxyFailed", "NO_PROXY"),
    "a proxy that is not there": ("ProxyUnreachable", "NO_PROXY"),
}


def is_of_role(name: str) -> bool:
    """Whether a set-up fails AssumeRole, which the hub calls: so it is the fault of every account at once."""
    return SET_UPS[name][0][0] == "sts"


OF_ROLES, OF_CALLS = [each for each in SET_UPS if is_of_role(each)], [each for each in SET_UPS if not is_of_role(each)]


def fault_of(account_id: str, failure: Failure) -> dict[str, Any]:
    """Return the fault of the sandbox that lets every such call of an account fail."""
    service, operation, code, status, text = failure
    call = {"account_id": account_id, "service": service, "operation": operation}
    return {**call, "error": code, "status": status, "message": text, "times": None}


@pytest.fixture(scope="module")
def broken() -> Iterator[tuple[EngineSandbox, dict[str, str]]]:
    """Start a sandbox with one account per set-up, one whose role does not exist, and one that is well."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        names = Names(*(new_account_id() for _ in range(4)))
        ids = {name: new_account_id() for name in (*OF_CALLS, *OF_CONNECTIONS, "no role", "well")}
        accounts: list[dict[str, Any]] = [
            {"account_id": each, "regions": {HERE: {"servers": 1}}, **({"role": None} if name == "no role" else {})}
            for name, each in ids.items()
        ]
        members = {
            "hub": {"account_id": names.hub, "registered": False},
            "tables": {"environment": names.hub[:6]},
            "accounts": accounts,
        }
        with EngineSandbox(members, names, monkeypatch) as sandbox:
            sandbox.set(DRS_REGIONS=HERE)
            assert command("sync", "inventory", "--full-scan", "--account", ids["well"])[0] == 0  # there is a table
            yield sandbox, ids


def told_of(*account_ids: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return what the doctor, a sync and a query tell of accounts: account id -> (cause, fix, class)."""
    scope = [argument for account_id in account_ids for argument in ("--account", account_id)]
    findings = json.loads(command("doctor", *scope, "--region", HERE)[1])["findings"]
    report = json.loads(command("sync", "inventory", "--full-scan", *scope)[1])
    answer = json.loads(command("servers", "--no-refresh", "-o", "json", *scope)[1])
    unknown = answer.get("details", answer)["unknown"]
    told: dict[str, list[tuple[str, str, str]]] = {}
    for each in findings:
        if each["check"] in {"role", "drs"} and each["status"] == "failed":
            told.setdefault(each["accountId"], []).append((each["cause"], each["cure"], ""))
    for each in (*report["errors"], *report["warnings"], *unknown):
        if "errorClass" in each:
            told.setdefault(each["accountId"], []).append((each["cause"], each["advice"], each["errorClass"]))
    return told


def assert_same(told: list[tuple[str, str, str]], name: str, fix: str) -> None:
    """Check that the doctor, a sync and a query name one class with one fix, and the true cause first."""
    finding, of_sync, of_query = told
    assert of_sync[2] == of_query[2] == name
    assert of_sync == of_query
    assert finding[0].startswith(of_sync[0])
    assert finding[1] == of_sync[1]
    assert fix in finding[1]


def test_a_call_that_fails_is_told_alike_everywhere(broken: tuple[EngineSandbox, dict[str, str]]) -> None:
    sandbox, ids = broken
    sandbox.faults(fail=[fault_of(ids[name], SET_UPS[name][0]) for name in OF_CALLS])
    told = told_of(*(ids[name] for name in (*OF_CALLS, "no role", "well")))
    for name in OF_CALLS:
        assert_same(told[ids[name]], *SET_UPS[name][1:])
    assert_same(told[ids["no role"]], "RoleNotAssumable", "(1) create")
    assert told.keys() == {ids[name] for name in (*OF_CALLS, "no role")}


@pytest.mark.parametrize("name", OF_ROLES)
def test_a_role_that_cannot_be_assumed_is_told_alike_everywhere(
    name: str, broken: tuple[EngineSandbox, dict[str, str]]
) -> None:
    sandbox, ids = broken
    failure, error_class, fix = SET_UPS[name]
    sandbox.faults(fail=[fault_of(sandbox.names.hub, failure)])
    assert_same(told_of(ids["no role"])[ids["no role"]], error_class, fix)


OF_HUB: dict[str, tuple[Failure, str, str, str]] = {
    # -> check of the doctor, words of the cause and the fix
    "its clock is wrong": (
        ("sts", "GetCallerIdentity", "SignatureDoesNotMatch", 403, EXPIRED),
        "hub",
        "does not accept the time of the signature",
        "set the clock of this host",
    ),
    "its key is deleted": (
        ("sts", "GetCallerIdentity", "InvalidClientTokenId", 403, "The security token is invalid"),
        "hub",
        "AWS refuses the credentials",
        "renew them",
    ),
    "its session is expired": (
        ("sts", "GetCallerIdentity", "ExpiredToken", 403, "The security token is expired"),
        "hub",
        "the session of the credentials is expired",
        "log in again",
    ),
    "the key of its tables is denied": (
        ("dynamodb", "Scan", "AccessDeniedException", 400, KMS),
        "accounts",
        "the KMS key of table",
        "allow kms:Decrypt",
    ),
    "a policy of its tables": (
        (
            "dynamodb",
            "Scan",
            "AccessDeniedException",
            400,
            f"{NOT_AUTHORIZED}dynamodb:Scan with an explicit deny in a resource control policy",
        ),
        "accounts",
        "a resource control policy forbids dynamodb:Scan",
        "resource control policies",
    ),
}


@pytest.mark.parametrize("name", OF_HUB)
def test_what_is_wrong_with_the_hub_is_told_alike_everywhere(
    name: str, broken: tuple[EngineSandbox, dict[str, str]]
) -> None:
    sandbox, _ = broken
    failure, check, cause, fix = OF_HUB[name]
    sandbox.faults(fail=[fault_of(sandbox.names.hub, failure)])
    findings = json.loads(command("doctor")[1])["findings"]
    (found,) = [each for each in findings if each["check"] == check and each["status"] == "failed"]
    assert (cause in found["cause"], fix in found["cure"]) == (True, True)
    for arguments in (("sync", "inventory"), ("sync", "tags"), ("accounts", "list")):
        code, out, _ = command(*arguments)
        message = json.loads(out)["message"]
        told = found["cause"].split(f": {failure[0]}:")[0]
        assert (code, told in message, message.endswith(f"Fix: {found['cure']}")) == (1, True, True), message


class Proxy(socketserver.BaseRequestHandler):
    """HTTP proxy that answers every request with one status."""

    status: str

    def handle(self) -> None:
        """Answer one request."""
        self.request.recv(4096)
        self.request.sendall(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())


class Handshake(socketserver.BaseRequestHandler):
    """TLS server that no client trusts, so it never gets a request."""

    context: ssl.SSLContext

    def handle(self) -> None:
        """Offer the certificate."""
        with suppress(OSError), self.context.wrap_socket(self.request, server_side=True) as connection:
            connection.recv(4096)


@contextmanager
def listening(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """Serve on loopback in a thread; yield the port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", OF_CONNECTIONS)
def test_a_connection_that_fails_is_told_alike_everywhere(
    name: str, broken: tuple[EngineSandbox, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, ids = broken
    sandbox.faults()
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    status = name.rpartition(" ")[2]
    handler: type[socketserver.BaseRequestHandler] = type("Answering", (Proxy,), {"status": status})
    if "proxy" not in name:
        host = "another.example.com" if name == "another name" else "localhost"
        not_after = datetime(2020, 1, 1, tzinfo=UTC) if name == "expired" else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host, not_after=not_after).configure_cert(context)
        handler = type("Offering", (Handshake,), {"context": context})
        if name != "an unknown CA":
            monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    with listening(handler) as port:
        if name == "a proxy that is not there":
            with socket.socket() as bound:  # does not listen, and no other process gets the port
                bound.bind(("127.0.0.1", 0))
                monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{bound.getsockname()[1]}")
                monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", "https://drs.invalid")
                told = told_of(ids[name])
        else:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret-of-it@127.0.0.1:{port}" if "proxy" in name else "")
            url = "https://drs.invalid" if "proxy" in name else f"https://localhost:{port}"
            monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", url)
            told = told_of(ids[name])
    assert_same(told[ids[name]], *OF_CONNECTIONS[name])
    assert "secret-of-it" not in str(told)
    if status.isdigit():
        assert f"HTTP status {status}" in told[ids[name]][0][0]
