"""How answers of DynamoDB are parsed: straight from JSON, without walking the service model for every attribute.

botocore's own way takes 5 times as long, and reading the inventory is nearly nothing but that. What it would add is the
decoding of blobs and timestamps, of which our tables have none. Errors still take botocore's way.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiobotocore.parsers import AioJSONParser, AioResponseParserFactory
from botocore.parsers import ResponseParserError

__all__ = ["PlainJsonFactory"]


class _PlainJsonParser(AioJSONParser):
    """Parser of the JSON protocol, which DynamoDB speaks."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - the SDK's signature
        try:
            parsed: dict[str, Any] = orjson.loads(response["body"] or b"{}")
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"the answer is no JSON: {error}") from None
        self._inject_response_metadata(parsed, response["headers"])
        return parsed


class PlainJsonFactory(AioResponseParserFactory):
    """Gives the SDK its parsers; a component of its session."""

    def create_parser(self, protocol_name: str) -> Any:  # noqa: ANN401 - SDK parsers have no static type
        """Give the parser of a protocol."""
        return _PlainJsonParser(**self._defaults) if protocol_name == "json" else super().create_parser(protocol_name)
