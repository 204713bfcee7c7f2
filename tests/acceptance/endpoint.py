"""A small scripted AWS on loopback: STS, DRS and EC2 are served here, DynamoDB by moto; each call is recorded.

The access key that signed a call identifies the account; the credential scope names region and service. Signatures are
not verified, but the session token of an assumed role must be the one that was issued.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import botocore.session
from moto.server import create_backend_app
from werkzeug.test import Client

__all__ = [
    "OPT_IN_REGIONS",
    "REGIONS",
    "TESTER_KEY",
    "Aws",
    "Call",
    "Credentials",
    "Fault",
    "Instance",
    "Rate",
    "Response",
    "Role",
    "Scope",
    "Trap",
    "access_denied",
    "expired",
    "instances_denied",
    "internal_error",
    "malformed",
    "service_control_policy",
    "serving",
    "table_denied",
    "table_unknown_token",
    "throttled",
    "unrecognized",
]

_DEFAULT_REGIONS: Final = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
]
REGIONS: Final = tuple(botocore.session.get_session().get_available_regions("drs"))
OPT_IN_REGIONS: Final = tuple(region for region in REGIONS if region not in _DEFAULT_REGIONS)
TESTER_KEY: Final = "AKIATESTER0000000000"  # the tests' own calls: not recorded, not scripted
_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_HANG_S: Final = 30.0
_DEFAULT_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials of an account; those of an assumed role have a session token."""

    account: str
    key: str
    secret: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call. `detail` is the parsed request; `status` the status of the response."""

    at: float
    account: str
    region: str
    service: str
    operation: str
    detail: Mapping[str, Any]
    status: int

    @property
    def table(self) -> str:
        """The DynamoDB table, if the call names just one."""
        named = self.detail.get("RequestItems") or self.detail.get("TransactItems")
        if isinstance(named, dict):
            return ",".join(sorted(named))
        if isinstance(named, list):
            return ",".join(sorted({next(iter(action.values()))["TableName"] for action in named}))
        return str(self.detail.get("TableName", ""))


@dataclass(slots=True)
class Fault:
    """A fault of one scope: its response to `operation`, on `page` (None: every page), `times` (None: without end).

    `hang` waits before the response.
    """

    response: Callable[[], Response] | None
    operation: str = "DescribeSourceServers"
    page: int | None = None
    times: int | None = None
    hang: bool = False
    hits: int = 0

    def strikes(self, operation: str, page: int) -> bool:
        if operation != self.operation or (self.page is not None and page != self.page):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass(slots=True)
class Rate:
    """A token bucket; calls beyond it are throttled."""

    per_second: float
    burst: float
    refused: int = 0
    _tokens: float = -1.0
    _at: float = 0.0

    def admits(self) -> bool:
        now = time.monotonic()
        if self._tokens < 0:
            self._tokens, self._at = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Instance:
    """Attributes of one instance in the response of DescribeInstances."""

    vpc: str = "vpc-0aa"
    subnet: str = "subnet-0aa"
    private_ip: str = "10.0.0.1"
    groups: tuple[str, ...] = ("sg-0aa",)
    profile: str = "arn:aws:iam::000000000000:instance-profile/app"
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Scope:
    """One (account, region)."""

    initialized: bool = False
    enabled: bool = True  # an opt-in region that is switched off rejects all credentials
    servers: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    repeats_token: bool = False
    rate: Rate | None = None


@dataclass(slots=True)
class Role:
    """A role that the hub may assume."""

    account: str
    external_id: str | None
    hub: str
    refuses: bool = False


@dataclass(slots=True)
class Trap:
    """Blocks calls that `matches`, from the `after`-th on, until released; they are then served or dropped."""

    matches: Callable[[Call], bool]
    after: int = 0
    drops: bool = False
    matched: int = 0
    blocked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)

    def wait_blocked(self, how_many: int = 1, *, timeout_s: float = 300.0) -> bool:
        """Wait until that many calls are blocked."""
        return all(self.blocked.acquire(timeout=timeout_s) for _ in range(how_many))


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    credentials: Credentials | None
    region: str
    service: str


def _json(status: int, document: object, **headers: str) -> Response:
    return Response(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


def _drs_error(status: int, code: str, message: str, *, retry_after: str | None = None, **members: str) -> Response:
    headers = {"x-amzn-ErrorType": code} | ({"Retry-After": retry_after} if retry_after else {})
    return _json(status, {"message": message, **members}, **headers)


def throttled(retry_after: str | None = "1") -> Response:
    return _drs_error(429, "ThrottlingException", "Rate exceeded", retry_after=retry_after)


def uninitialized(code: str = "UninitializedAccountException") -> Response:
    return _drs_error(400, code, "Account not initialized. Use the DRS console to initialize it.")


def empty_page() -> Response:
    return _json(200, {"items": []})


def access_denied() -> Response:
    return _drs_error(403, "AccessDeniedException", "User is not authorized to perform: drs:DescribeSourceServers")


def table_denied() -> Response:
    return _table_error("AccessDeniedException", "User is not authorized to perform this action on the table")


def table_unknown_token() -> Response:
    return _table_error("UnrecognizedClientException", "The security token included in the request is invalid.")


def instances_denied() -> Response:
    return _ec2_error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")


def service_control_policy() -> Response:
    return _drs_error(
        403,
        "AccessDeniedException",
        "User is not authorized to perform: drs:DescribeSourceServers "
        "with an explicit deny in a service control policy",
    )


def internal_error() -> Response:
    return _drs_error(500, "InternalServerException", "An unexpected error has occurred")


def unrecognized() -> Response:
    return _drs_error(403, "UnrecognizedClientException", "The security token included in the request is invalid.")


def expired() -> Response:
    return _drs_error(403, "ExpiredTokenException", "The security token included in the request is expired")


def malformed() -> Response:
    return Response(200, b'{"items": [{"sourceServerID": "s-', {"Content-Type": "application/json"})


def _table_error(code: str, message: str) -> Response:
    return _json(400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})


def _xml_error(status: int, code: str, message: str) -> Response:
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
    return Response(status, body.encode(), {"Content-Type": "text/xml"})


def _ec2_error(status: int, code: str, message: str) -> Response:
    body = (
        f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
        f"<RequestID>{uuid.uuid4()}</RequestID></Response>"
    )
    return Response(status, body.encode(), {"Content-Type": "text/xml"})


class Aws:
    """The state of the scripted AWS. Tests change it directly, between or during runs."""

    def __init__(self) -> None:
        self.scopes: defaultdict[tuple[str, str], Scope] = defaultdict(Scope)
        self.roles: dict[str, Role] = {}
        self.credentials: dict[str, Credentials] = {}
        self.traps: list[Trap] = []
        self.table_faults: dict[tuple[str, str], Callable[[], Response]] = {}  # (table, operation)
        self.scan_page: dict[str, int] = {}  # items per page of a Scan, by table
        self.slow_tables: set[str] = set()
        self.session_life_s = 3600.0
        self.closing = threading.Event()
        self.url = ""
        self._calls: list[Call] = []
        self._lock = threading.RLock()
        self._dynamodb = Client(create_backend_app("dynamodb"))
        self._dynamodb_lock = threading.Lock()  # moto is not atomic where DynamoDB is

    def hub(self, account: str) -> Credentials:
        """Make long-lived credentials."""
        made = Credentials(account, f"AKIA{uuid.uuid4().hex[:16].upper()}", f"hubsecret{uuid.uuid4().hex}")
        self.credentials[made.key] = made
        return made

    def calls(self, accounts: Iterable[str], service: str = "", operation: str = "") -> list[Call]:
        """Return the recorded calls of these accounts."""
        wanted = set(accounts)
        with self._lock:
            return [
                call
                for call in self._calls
                if call.account in wanted and service in {"", call.service} and operation in {"", call.operation}
            ]

    def forget_calls(self, accounts: Iterable[str]) -> None:
        """Delete the recorded calls of these accounts."""
        gone = set(accounts)
        with self._lock:
            self._calls = [call for call in self._calls if call.account not in gone]

    # ---- one request

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response | None:
        """Return the response to one request; None drops the connection."""
        scope = _CREDENTIAL.search(headers.get("authorization", ""))
        key, region, service = scope.groups() if scope else ("", "", "")
        if key == TESTER_KEY:
            return self._moto(path, headers, body)
        signer = self.credentials.get(key)
        if signer is not None and signer.token != headers.get("x-amz-security-token", ""):
            signer = None
        request = _Request(method, path, headers, body, signer, region, service)
        operation, detail = _operation_of(request)
        account = signer.account if signer else ""
        call = Call(time.monotonic(), account, region, service, operation, detail, 0)
        if not self._let_through(call):
            return None
        response = self._serve(request, operation, detail)
        with self._lock:
            self._calls.append(
                Call(call.at, account, region, service, operation, detail, response.status if response else 0)
            )
        return response

    def _let_through(self, call: Call) -> bool:
        for trap in list(self.traps):
            if not trap.matches(call):
                continue
            with self._lock:
                trap.matched += 1
                blocked = trap.matched > trap.after
            if blocked and not trap.released.is_set():
                trap.blocked.release()
                trap.released.wait(_HANG_S)
                if trap.drops:
                    return False
        return True

    def _serve(self, request: _Request, operation: str, detail: Mapping[str, Any]) -> Response | None:
        serve = {"sts": self._sts, "drs": self._drs, "ec2": self._ec2, "dynamodb": self._tables}.get(request.service)
        if serve is None:
            return _drs_error(403, "AccessDeniedException", f"not authorized to perform: {request.service}:{operation}")
        return serve(request, operation, detail)

    # ---- STS

    def _sts(self, request: _Request, operation: str, detail: Mapping[str, Any]) -> Response:
        if request.credentials is None:
            return _xml_error(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if operation == "GetCallerIdentity":
            account = request.credentials.account
            return _sts_response(
                operation,
                f"<Arn>arn:aws:iam::{account}:user/hub</Arn><UserId>AIDA</UserId><Account>{account}</Account>",
            )
        if operation == "AssumeRole":
            return self._assume(request.credentials, detail)
        return _xml_error(400, "InvalidAction", operation)

    def _assume(self, session: Credentials, detail: Mapping[str, Any]) -> Response:
        arn = detail.get("RoleArn", "")
        role = self.roles.get(arn)
        admitted = role is not None and role.hub == session.account and not role.refuses
        if not admitted or (role and role.external_id and role.external_id != detail.get("ExternalId")):
            return _xml_error(
                403,
                "AccessDenied",
                f"User: arn:aws:iam::{session.account}:user/hub is not authorized to perform: sts:AssumeRole on {arn}",
            )
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", detail.get("RoleSessionName", "")):
            return _xml_error(400, "ValidationError", "roleSessionName")
        made = Credentials(
            role.account if role else "",
            f"ASIA{uuid.uuid4().hex[:16].upper()}",
            f"rolesecret{uuid.uuid4().hex}",
            f"sessiontoken{uuid.uuid4().hex}",
        )
        self.credentials[made.key] = made
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.session_life_s))
        return _sts_response(
            "AssumeRole",
            f"<Credentials><AccessKeyId>{made.key}</AccessKeyId><SecretAccessKey>{made.secret}</SecretAccessKey>"
            f"<SessionToken>{made.token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
            f"<AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser>",
        )

    # ---- DRS

    def _drs(self, request: _Request, operation: str, detail: Mapping[str, Any]) -> Response | None:
        scope = self.scopes[request.credentials.account, request.region] if request.credentials else None
        if scope is None or not scope.enabled:
            return unrecognized()
        if scope.rate is not None and not scope.rate.admits():
            return throttled()
        page = 1 + _offset(str(detail.get("nextToken", ""))) // int(detail.get("maxResults", _DEFAULT_PAGE))
        if fault := _struck(scope, operation, page):
            return self._spoil(fault)
        if not scope.initialized:
            return _drs_error(400, "UninitializedAccountException", "Account not initialized")
        serve = {
            "DescribeSourceServers": _servers,
            "DescribeReplicationConfigurationTemplates": lambda scope, _: _json(200, {"items": scope.templates}),
            "GetReplicationConfiguration": _configuration,
        }.get(operation)
        return serve(scope, detail) if serve else access_denied()

    def _spoil(self, fault: Fault) -> Response | None:
        if fault.hang:
            self.closing.wait(_HANG_S)
        return fault.response() if fault.response else None

    # ---- EC2

    def _ec2(self, request: _Request, operation: str, detail: Mapping[str, Any]) -> Response | None:
        scope = self.scopes[request.credentials.account, request.region] if request.credentials else None
        if request.credentials is None or scope is None or not scope.enabled:
            return _ec2_error(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        if fault := _struck(scope, operation, 1):
            return self._spoil(fault)
        if operation == "DescribeRegions":
            return self._regions(request.credentials.account)
        if operation == "DescribeInstances":
            return _instances(scope, detail)
        return instances_denied()

    def _regions(self, account: str) -> Response:
        def opt_in(region: str) -> str:
            if region not in OPT_IN_REGIONS:
                return "opt-in-not-required"
            return "opted-in" if self.scopes[account, region].enabled else "not-opted-in"

        items = "".join(
            f"<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint>"
            f"<optInStatus>{opt_in(region)}</optInStatus></item>"
            for region in REGIONS
        )
        return _ec2_response("DescribeRegions", f"<regionInfo>{items}</regionInfo>")

    # ---- DynamoDB

    def _tables(self, request: _Request, operation: str, detail: Mapping[str, Any]) -> Response:
        if request.credentials is None:
            return table_unknown_token()
        if request.credentials.token:
            return _table_error("AccessDeniedException", "another account has no access to these tables")
        table = str(detail.get("TableName", "")) or next(iter(_batch_tables(detail)), "")
        if table in self.slow_tables and operation == "Scan":
            self.closing.wait(_HANG_S)
        if fault := self.table_faults.get((table, operation)):
            return fault()
        body = request.body
        if operation == "Scan" and table in self.scan_page:
            limit = min(self.scan_page[table], int(detail.get("Limit", 10**6)))
            body = json.dumps({**detail, "Limit": limit}).encode()
        return self._moto(request.path, request.headers, body)

    def _moto(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        passed = {name: value for name, value in headers.items() if name not in {"content-length", "accept-encoding"}}
        with self._dynamodb_lock:
            response = self._dynamodb.post(path, headers=passed, data=body, base_url=self.url)
            content = response.get_data()
            response.close()
        response_headers = {
            name: value for name, value in response.headers.items() if name.lower().startswith(("content-type", "x-"))
        }
        return Response(response.status_code, content, response_headers)


def _batch_tables(detail: Mapping[str, Any]) -> Iterator[str]:
    items = detail.get("RequestItems", {})
    yield from items if isinstance(items, dict) else ()


def _operation_of(request: _Request) -> tuple[str, Mapping[str, Any]]:
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2], json.loads(request.body or b"{}")
    if request.service in {"sts", "ec2"}:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}
        return form.get("Action", ""), form
    return unquote(request.path).strip("/").partition("/")[0].partition("?")[0], json.loads(request.body or b"{}")


def _sts_response(operation: str, result: str) -> Response:
    body = (
        f'<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{operation}Result>{result}'
        f"</{operation}Result><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
        f"</{operation}Response>"
    )
    return Response(200, body.encode(), {"Content-Type": "text/xml"})


def _ec2_response(operation: str, result: str) -> Response:
    body = (
        f'<{operation}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>{uuid.uuid4()}</requestId>'
        f"{result}</{operation}Response>"
    )
    return Response(200, body.encode(), {"Content-Type": "text/xml;charset=UTF-8"})


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"from:{offset}".encode()).decode()


def _offset(token: str) -> int:
    return int(base64.urlsafe_b64decode(token).decode().partition(":")[2]) if token else 0


def _struck(scope: Scope, operation: str, page: int) -> Fault | None:
    return next((fault for fault in scope.faults if fault.strikes(operation, page)), None)


def _servers(scope: Scope, detail: Mapping[str, Any]) -> Response:
    offset = _offset(str(detail.get("nextToken", "")))
    size = int(detail.get("maxResults", _DEFAULT_PAGE))
    if size < 1:
        return _drs_error(400, "ValidationException", "maxResults", reason="fieldValidationFailed")
    chosen = scope.servers
    if wanted := detail.get("filters", {}).get("sourceServerIDs"):
        chosen = [server for server in chosen if server["sourceServerID"] in wanted]
    response: dict[str, Any] = {"items": chosen[offset : offset + size]}
    if scope.repeats_token:
        response["nextToken"] = _token(size)
    elif offset + size < len(chosen):
        response["nextToken"] = _token(offset + size)
    return _json(200, response)


def _configuration(scope: Scope, detail: Mapping[str, Any]) -> Response:
    server_id = str(detail.get("sourceServerID"))
    if not any(server["sourceServerID"] == server_id for server in scope.servers):
        return _drs_error(
            404, "ResourceNotFoundException", server_id, resourceId=server_id, resourceType="SourceServer"
        )
    return _json(
        200,
        {
            "sourceServerID": server_id,
            "name": server_id,
            "stagingAreaSubnetId": "subnet-0f1e2d3c4b5a69788",
            "associateDefaultSecurityGroup": True,
            "replicationServersSecurityGroupsIDs": ["sg-0a9b8c7d6e5f40312"],
            "replicationServerInstanceType": "t3.small",
            "useDedicatedReplicationServer": False,
            "ebsEncryption": "DEFAULT",
            "dataPlaneRouting": "PRIVATE_IP",
            "createPublicIP": False,
            "bandwidthThrottling": 0,
            "stagingAreaTags": {"Purpose": "drs-staging"},
        },
    )


def _numbered(form: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for number in itertools.count(1):
        if (value := form.get(f"{prefix}.{number}")) is None:
            return
        yield value


def _instances(scope: Scope, form: Mapping[str, Any]) -> Response:
    named = list(_numbered(form, "InstanceId"))
    if named and "MaxResults" in form:
        return _ec2_error(400, "InvalidParameterCombination", "instance ids and MaxResults exclude one another")
    for wanted in named:
        if wanted not in scope.instances:
            return _ec2_error(400, "InvalidInstanceID.NotFound", f"The instance ID '{wanted}' does not exist")
    filtered = list(_numbered(form, "Filter.1.Value"))
    if len(filtered) > 200:
        return _ec2_error(400, "FilterLimitExceeded", "more than 200 filter values")
    if filtered and form.get("Filter.1.Name") != "instance-id":
        return _ec2_error(400, "InvalidParameterValue", "this endpoint knows the filter instance-id alone")
    chosen = [wanted for wanted in (named or filtered or scope.instances) if wanted in scope.instances]
    offset, size = _offset(str(form.get("NextToken", ""))), int(form.get("MaxResults", 1000))
    items = "".join(_instance(each, scope.instances[each]) for each in chosen[offset : offset + size])
    more = f"<nextToken>{_token(offset + size)}</nextToken>" if offset + size < len(chosen) else ""
    return _ec2_response("DescribeInstances", f"<reservationSet>{items}</reservationSet>{more}")


def _instance(instance_id: str, instance: Instance) -> str:
    groups = "".join(f"<item><groupId>{each}</groupId><groupName>x</groupName></item>" for each in instance.groups)
    tags = "".join(
        f"<item><key>{escape(key)}</key><value>{escape(value)}</value></item>" for key, value in instance.tags.items()
    )
    return (
        f"<item><reservationId>r-1</reservationId><instancesSet><item><instanceId>{instance_id}</instanceId>"
        f"<vpcId>{instance.vpc}</vpcId><subnetId>{instance.subnet}</subnetId>"
        f"<privateIpAddress>{instance.private_ip}</privateIpAddress><groupSet>{groups}</groupSet>"
        f"<iamInstanceProfile><arn>{instance.profile}</arn><id>AIPA</id></iamInstanceProfile>"
        f"<tagSet>{tags}</tagSet></item></instancesSet></item>"
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    aws: Aws

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed the connection (killed, timed out): tests do that on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server.aws.respond(self.command, self.path, headers, body)
        if response is None:
            self.close_connection = True
            return
        lines = [f"HTTP/1.1 {response.status} X", f"Content-Length: {len(response.body)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        # Sent in one piece: a second small packet would wait for the first one's acknowledgement.
        self.wfile.write("\r\n".join((*lines, "", "")).encode() + response.body)

    do_GET = do_POST = do_DELETE = do_PUT = _respond  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


@contextmanager
def serving() -> Iterator[Aws]:
    """Serve a new AWS on a free port of the loopback interface."""
    aws = Aws()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.aws = aws
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield aws
    finally:
        aws.closing.set()
        for trap in aws.traps:
            trap.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
