"""Request bodies of DynamoDB's many-item writes, without the SDK's validation and conversion of every attribute.

Their parameters are in wire format already (`attribute_values`). botocore checks and copies each attribute of each item
by its service model, which takes more CPU than the rest of a first sync; DynamoDB checks them too.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, Protocol

import orjson
from botocore.model import OperationModel

__all__ = ["DirectSerializer", "Serializer", "write_bodies_directly"]

_MANY_ITEM_WRITES: Final = frozenset({"BatchWriteItem", "TransactWriteItems"})


class Serializer(Protocol):
    """A serializer of the SDK."""

    def serialize_to_request(self, parameters: Mapping[str, Any], operation_model: OperationModel) -> dict[str, Any]:
        """Return the parts of a request."""
        ...


class DirectSerializer:
    """Serializer of a DynamoDB client: that of the SDK, except for many-item writes."""

    def __init__(self, sdk: Serializer) -> None:
        self._sdk = sdk

    def serialize_to_request(self, parameters: Mapping[str, Any], operation_model: OperationModel) -> dict[str, Any]:
        """Return the parts of a request, as the SDK would; what JSON cannot express, it refuses with its own error."""
        if operation_model.name not in _MANY_ITEM_WRITES:
            return self._sdk.serialize_to_request(parameters, operation_model)
        try:
            body = orjson.dumps(parameters, default=_base64)
        except TypeError:
            return self._sdk.serialize_to_request(parameters, operation_model)
        metadata = operation_model.metadata
        return {
            "url_path": "/",
            "query_string": "",
            "method": "POST",
            "headers": {
                "X-Amz-Target": f"{metadata['targetPrefix']}.{operation_model.name}",
                "Content-Type": f"application/x-amz-json-{metadata['jsonVersion']}",
            },
            "body": body,
        }


def _base64(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError


def write_bodies_directly(client: Any) -> None:  # noqa: ANN401 - SDK clients have no static type
    """Have a DynamoDB client of the SDK use `DirectSerializer`."""
    client._serializer = DirectSerializer(client._serializer)  # noqa: SLF001 - the SDK has no hook for this
