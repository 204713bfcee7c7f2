"""UpdateIntegration of API Gateway, which moto lacks: the operation with which a route gets another function."""

from __future__ import annotations

import json

from moto.apigateway.exceptions import ApiGatewayException
from moto.apigateway.responses import APIGatewayResponse

__all__ = ["register_update_integration"]


class _UnsupportedPatchError(ApiGatewayException):
    code = 400

    def __init__(self, operation: object) -> None:
        super().__init__("BadRequestException", f"this sandbox only replaces /uri, not {operation}")


def register_update_integration() -> None:
    """Add the operation to moto's API Gateway. Idempotent."""
    APIGatewayResponse.update_integration = _update_integration


def _update_integration(response: APIGatewayResponse) -> tuple[int, dict[str, int], str]:
    _, _, api, _, resource, _, method, *_ = response.path.split("/")
    integration = response.backend.get_integration(api, resource, method)
    for operation in json.loads(response.body)["patchOperations"]:
        if (operation["op"], operation["path"]) != ("replace", "/uri"):
            raise _UnsupportedPatchError(operation)
        integration.uri = operation["value"]
    return 200, {"status": 200}, json.dumps(integration.to_json())
