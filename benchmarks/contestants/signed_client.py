"""Bare signed HTTP client of the floors: no models, checks or retries."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import aiohttp
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

__all__ = ["HOME", "PAGE", "Destination", "SignedClient"]

PAGE: Final = 200
HOME: Final = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
_KEYS: Final = re.compile(rb"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<")


class Destination(NamedTuple):
    """Service and region of a request, and the keys that sign it."""

    service: str
    region: str
    keys: Credentials
    path: str = "/"


class SignedClient:
    """HTTP client that signs requests, on one connection pool."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._url = os.environ["AWS_ENDPOINT_URL"].rstrip("/")
        self.hub = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])

    async def send(self, destination: Destination, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send one signed request; return the body of the response."""
        request = AWSRequest("POST", self._url + destination.path, dict(headers), body)
        SigV4Auth(destination.keys, destination.service, destination.region).add_auth(request)
        async with self._session.post(self._url + destination.path, data=body, headers=dict(request.headers)) as answer:
            return await answer.read()

    async def table(self, operation: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Call DynamoDB in the hub."""
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        return orjson.loads(await self.send(Destination("dynamodb", HOME, self.hub), orjson.dumps(body), headers))

    async def query(self, service: str, region: str, keys: Credentials, **params: str) -> bytes:
        """Call a service of the Query protocol: STS and EC2."""
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return await self.send(Destination(service, region, keys), urlencode(params).encode(), headers)

    async def assume_role(self, role: Mapping[str, Any]) -> Credentials:
        """Assume the role of an account's record."""
        params = {"RoleArn": role["roleArn"]["S"], "ExternalId": role["externalId"]["S"], "RoleSessionName": "floor"}
        answer = await self.query("sts", HOME, self.hub, Action="AssumeRole", Version="2011-06-15", **params)
        keys = {name.decode(): value.decode() for name, value in _KEYS.findall(answer)}
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    async def drs(self, operation: str, region: str, keys: Credentials, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Call DRS; return the response, None if it has no body."""
        headers = {"Content-Type": "application/json"}
        answer = await self.send(Destination("drs", region, keys, f"/{operation}"), orjson.dumps(params), headers)
        return orjson.loads(answer) if answer else None

    async def drs_list(self, operation: str, region: str, keys: Credentials, **params: object) -> list[Any]:
        """List all pages of DRS."""
        items: list[Any] = []
        while True:
            page = await self.drs(operation, region, keys, params)
            items += page.get("items", ())
            if not page.get("nextToken"):
                return items
            params["nextToken"] = page["nextToken"]

    async def servers(self, region: str, keys: Credentials) -> list[Any]:
        """List the source servers of a scope."""
        return await self.drs_list("DescribeSourceServers", region, keys, maxResults=PAGE)
