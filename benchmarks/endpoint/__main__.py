"""`python -m benchmarks.endpoint TARGETS REGIONS SERVERS`: serves the estate on loopback until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
import trustme
from aiohttp import web

from benchmarks.endpoint.estate import Estate, instance, replication_configuration, server_arn_of, template
from benchmarks.endpoint.tables import Tables, TablesError
from service.models import Scope

_SCOPE: Final = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_HUB: Final = "999900001111"
_HUB_KEY: Final = "AKIABENCHHUB00000000"
_MAX_BODY: Final = 16 * 1024 * 1024
_SILENT_S: Final = 3600.0


class Endpoint:
    """Web application of one estate. An assumed role's access key contains its account; signatures are not checked."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._tables = Tables(estate, datetime.now(UTC))
        self._calls: Counter[tuple[str, str]] = Counter()
        self._latency_s: dict[str, float] = {}
        self._servers = lru_cache(maxsize=16)(self._render_servers)
        self._instances = lru_cache(maxsize=16)(_render_instances)

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("GET", "/sandbox/calls", self._list_calls)
        app.router.add_route("DELETE", "/sandbox/calls", self._reset_calls)
        app.router.add_route("PUT", "/sandbox/faults", self._set_faults)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _list_calls(self, _: web.Request) -> web.Response:
        calls = [{"service": s, "operation": o, "count": n} for (s, o), n in self._calls.items()]
        return web.json_response({"calls": calls})

    async def _reset_calls(self, request: web.Request) -> web.Response:
        self._calls.clear()
        return await self._list_calls(request)

    async def _set_faults(self, request: web.Request) -> web.Response:
        faults = await request.json()
        self._latency_s = {service: each / 1000 for service, each in faults.get("latency_ms", {}).items()}
        return web.json_response(faults)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        found = _SCOPE.search(request.headers.get("Authorization", ""))
        if found is None:
            return web.json_response({"message": "the request is not signed"}, status=403)
        key, region, service = found.groups()
        scope = Scope(_HUB if key == _HUB_KEY else key[-12:], region)
        if service == "drs" and region == self._estate.dark:
            self._calls["drs", request.path.strip("/")] += 1
            await asyncio.sleep(_SILENT_S)
        await asyncio.sleep(self._latency_s.get(service, 0.0))
        answer: web.Response = getattr(self, f"_{service}")(request, scope, body)
        return answer

    def _sts(self, _: web.Request, scope: Scope, body: bytes) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self._calls["sts", form["Action"]] += 1
        if form["Action"] == "AssumeRole":
            account = form["RoleArn"].split(":")[4]
            result = (
                f"<Credentials><AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>bench</SecretAccessKey>"
                f"<SessionToken>{account}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            )
        else:
            result = f"<Account>{scope.account_id}</Account><Arn>arn:aws:iam::{scope.account_id}:user/bench</Arn>"
        return _xml(
            f'<{form["Action"]}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<{form['Action']}Result>{result}</{form['Action']}Result></{form['Action']}Response>"
        )

    def _drs(self, request: web.Request, scope: Scope, body: bytes) -> web.Response:
        operation = request.path.strip("/")
        self._calls["drs", "TagResource" if operation.startswith("tags/") else operation] += 1
        if not self._estate.numbers(scope):
            return _error(400, "UninitializedAccountException", "Account not initialized")
        if request.method == "POST" and operation.startswith("tags/"):
            return web.Response(status=204)
        params = orjson.loads(body or b"{}")
        page = (int(params.get("nextToken") or 0), int(params.get("maxResults", 100)))
        match operation:
            case "DescribeSourceServers":
                return web.Response(body=self._servers(scope, *page), content_type="application/json")
            case "GetLaunchConfiguration" | "UpdateLaunchConfiguration":
                copies = self._estate.synced or bool(params.get("copyTags"))
                answer = {
                    "sourceServerID": params["sourceServerID"],
                    "copyTags": copies,
                    "name": "",
                    "copyPrivateIp": False,
                }
            case "GetReplicationConfiguration":
                answer = replication_configuration(params["sourceServerID"])
            case "DescribeReplicationConfigurationTemplates":
                answer = {"items": [template(scope)]}
            case "ListStagingAccounts":
                staging = [{"accountID": self._estate.staging_account(scope.account_id)}] if self._estate.synced else []
                answer = {"accounts": staging}
            case "ListExtensibleSourceServers":
                answer = self._list_extensible(Scope(params["stagingAccountID"], scope.region), scope, *page)
            case "CreateExtendedSourceServer":
                answer = {"sourceServer": self._extended(scope, params["sourceServerArn"])}
            case _:
                return _error(400, "ValidationException", f"{operation} is not supported here")
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    def _list_extensible(self, staging: Scope, target: Scope, start: int, size: int) -> dict[str, Any]:
        numbers = range(0) if self._estate.synced else self._estate.numbers(target)
        shown = [{"arn": server_arn_of(staging, each), "hostname": f"srv-{each}", "tags": {}} for each in numbers]
        return _page(shown, start, size)

    def _extended(self, scope: Scope, staging_arn: str) -> dict[str, Any]:
        number = int(staging_arn[-5:])
        staging = {"stagingAccountID": staging_arn.split(":")[4], "stagingSourceServerArn": staging_arn}
        return {**self._estate.record(scope, number), "stagingArea": {"status": "EXTENDED", **staging}}

    def _render_servers(self, scope: Scope, start: int, size: int) -> bytes:
        numbers = self._estate.numbers(scope)
        items = [self._estate.record(scope, number) for number in numbers[start : start + size]]
        return orjson.dumps({**_page(numbers, start, size), "items": items})

    def _ec2(self, _: web.Request, _scope: Scope, body: bytes) -> web.Response:
        form = parse_qs(body.decode())
        self._calls["ec2", form["Action"][0]] += 1
        ids = [values[0] for values in form.values() if values[0].startswith("i-")]
        return _xml(self._instances(tuple(ids)))

    def _dynamodb(self, request: web.Request, _scope: Scope, body: bytes) -> web.Response:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        self._calls["dynamodb", operation] += 1
        try:
            answer = self._tables.answer(operation, orjson.loads(body))
        except TablesError as error:
            return _error(400, "ValidationException", str(error))
        return web.Response(body=answer, content_type="application/x-amz-json-1.0")


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"__type": code, "message": message}, status=status, headers={"x-amzn-ErrorType": code})


def _page(found: Sequence[Any], start: int, size: int) -> dict[str, Any]:
    """Return one page, with a token if there are more."""
    more = {"nextToken": str(start + size)} if start + size < len(found) else {}
    return {"items": found[start : start + size], **more}


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml")


def _render_instances(ids: tuple[str, ...]) -> str:
    items = "".join(map(_render_instance, ids))
    head = '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet>'
    return f"{head}{items}</reservationSet></DescribeInstancesResponse>"


def _render_instance(instance_id: str) -> str:
    known = instance(instance_id)
    tags = "".join(f"<item><key>{tag['Key']}</key><value>{tag['Value']}</value></item>" for tag in known["Tags"])
    groups = "".join(f"<item><groupId>{group['GroupId']}</groupId></item>" for group in known["SecurityGroups"])
    return (
        f"<item><reservationId>r-{instance_id[2:]}</reservationId><ownerId>{instance_id[2:14]}</ownerId><instancesSet>"
        f"<item><instanceId>{instance_id}</instanceId><imageId>ami-0abcdef1234567890</imageId>{_REST}"
        f"<subnetId>{known['SubnetId']}</subnetId><vpcId>{known['VpcId']}</vpcId>"
        f"<privateIpAddress>{known['PrivateIpAddress']}</privateIpAddress><groupSet>{groups}</groupSet>"
        f"<iamInstanceProfile><arn>{known['IamInstanceProfile']['Arn']}</arn></iamInstanceProfile>"
        f"<tagSet>{tags}</tagSet></item></instancesSet></item>"
    )


# Members that the inventory does not keep; about as many as in the API's example.
_REST: Final = (
    "<instanceState><code>16</code><name>running</name></instanceState><privateDnsName>ip-10-0-4-21.ec2.internal"
    "</privateDnsName><dnsName/><reason/><keyName>ops</keyName><amiLaunchIndex>0</amiLaunchIndex><productCodes/>"
    "<instanceType>m6i.xlarge</instanceType><launchTime>2026-01-04T08:01:55.000Z</launchTime><placement>"
    "<availabilityZone>us-east-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement><monitoring>"
    "<state>disabled</state></monitoring><sourceDestCheck>true</sourceDestCheck><architecture>x86_64</architecture>"
    "<rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping><item>"
    "<deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-1234567890abcdef0</volumeId><status>attached</status>"
    "<attachTime>2026-01-04T08:01:56.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></ebs></item>"
    "</blockDeviceMapping><virtualizationType>hvm</virtualizationType><hypervisor>xen</hypervisor>"
    "<networkInterfaceSet><item><networkInterfaceId>eni-1234567890abcdef0</networkInterfaceId><status>in-use</status>"
    "<macAddress>0e:1f:2a:3b:4c:5d</macAddress><privateDnsName>ip-10-0-4-21.ec2.internal</privateDnsName>"
    "<sourceDestCheck>true</sourceDestCheck><attachment><attachmentId>eni-attach-1</attachmentId><deviceIndex>0"
    "</deviceIndex><status>attached</status></attachment></item></networkInterfaceSet><ebsOptimized>true</ebsOptimized>"
)


def _tls_context(authority_file: Path) -> ssl.SSLContext:
    """Return a TLS context with a certificate for localhost; the authority's certificate is written to the file."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.cert_pem.write_to_path(authority_file)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def _serve(estate: Estate, authority_file: Path | None) -> None:
    runner = web.AppRunner(Endpoint(estate).application(), access_log=None)
    await runner.setup()
    context = _tls_context(authority_file) if authority_file else None
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    endpoint = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
    environment = {
        **Tables.environment,
        **estate.environment,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": _HUB_KEY,
        "AWS_SECRET_ACCESS_KEY": "bench",
        **({"AWS_CA_BUNDLE": str(authority_file)} if context else {}),
    }
    sys.stdout.write(json.dumps({"endpoint": endpoint, "environment": environment}, indent=1) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Serve the estate of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endpoint", description=__doc__)
    for name in ("targets", "regions", "servers"):
        parser.add_argument(name, type=int)
    parser.add_argument(
        "--tls", type=Path, metavar="FILE", help="serve over TLS; write the certificate authority to FILE"
    )
    parser.add_argument("--dark", default="", metavar="REGION", help="take connections to DRS there and never respond")
    parser.add_argument("--in-use", nargs="*", default=(), metavar="REGION", help="regions of a full scan")
    parser.add_argument("--known", action="store_true", help="region status counts the servers from the start")
    parser.add_argument("--staging", action="store_true", help="each target has a staging account with as many servers")
    parser.add_argument("--synced", action="store_true", help="nothing is left to do for the tag and staging syncs")
    parser.add_argument("--new", action="store_true", help="nothing was ever synced: the inventory is empty")
    options = parser.parse_args()
    estate = Estate(
        options.targets,
        options.regions,
        options.servers,
        dark=options.dark,
        regions_in_use=tuple(options.in_use),
        known=options.known,
        staging=options.staging,
        synced=options.synced,
        new=options.new,
    )
    asyncio.run(_serve(estate, options.tls))


if __name__ == "__main__":
    main()
