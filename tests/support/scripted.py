"""HTTP endpoint with scripted responses, for behaviour that no emulator has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

Answer = tuple[int, Mapping[str, str], bytes]
Script = Callable[["Request"], Answer]


@dataclass(frozen=True)
class Request:
    """One received request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Operation of a JSON or REST-JSON service."""
        target = self.headers.get("x-amz-target", "")
        return target.rpartition(".")[2] or self.path.strip("/")

    @property
    def params(self) -> dict[str, Any]:
        """The JSON body."""
        return dict(json.loads(self.body or b"{}"))


def answer(body: Any = None, status: int = 200, **headers: str) -> Answer:
    """Return a JSON response; in `headers`, `_` stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, body if isinstance(body, bytes) else json.dumps(body or {}).encode()


def refusal(code: str, status: int, message: str = "no", **headers: str) -> Answer:
    """Return an error response."""
    return answer({"message": message, "__type": code}, status, x_amzn_ErrorType=code, **headers)


@dataclass
class ScriptedAws:
    """The endpoint and the requests it received."""

    script: Script
    requests: list[Request] = field(default_factory=list)

    def request_count(self, operation: str) -> int:
        """Return the number of requests for an operation."""
        return sum(request.operation == operation for request in self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                request = Request(head[0].split()[1], headers, body)
                self.requests.append(request)
                status, extra, content = self.script(request)
                lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(content)}"]
                lines += [f"{name}: {value}" for name, value in extra.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client closed the connection
        finally:
            writer.close()


@asynccontextmanager
async def scripted_aws(script: Script, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedAws]:
    """Run an endpoint and point the SDK at it."""
    aws = ScriptedAws(script)
    listening = await asyncio.start_server(aws.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIASCRIPTED",
        "AWS_SECRET_ACCESS_KEY": "scripted-secret-key",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    async with listening:
        yield aws
