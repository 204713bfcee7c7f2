"""How the two answers that a sync spends its time on are parsed. Errors still take botocore's way.

DynamoDB's come straight from JSON, without walking the service model for every attribute: botocore's own way takes
5 times as long, and would add the decoding of blobs and timestamps, of which our tables have none. EC2's
DescribeInstances is parsed by botocore, but for the few members that the inventory keeps: an instance has some sixty,
and their timestamps alone cost more than all that is kept.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiobotocore.parsers import AioEC2QueryParser, AioJSONParser, AioResponseParserFactory
from botocore.model import ShapeResolver
from botocore.parsers import ResponseParserError

__all__ = ["FastFactory"]


def _structure(**members: tuple[str, str]) -> dict[str, Any]:
    named = {name: {"shape": shape, "locationName": element} for name, (shape, element) in members.items()}
    return {"type": "structure", "members": named}


def _list_of(shape: str) -> dict[str, Any]:
    return {"type": "list", "member": {"shape": shape, "locationName": "item"}}


# Names and elements are those of botocore's own model, which a test compares.
_INSTANCES: Final = ShapeResolver(
    {
        "String": {"type": "string"},
        "Result": _structure(NextToken=("String", "nextToken"), Reservations=("Reservations", "reservationSet")),
        "Reservations": _list_of("Reservation"),
        "Reservation": _structure(Instances=("Instances", "instancesSet")),
        "Instances": _list_of("Instance"),
        "Instance": _structure(
            InstanceId=("String", "instanceId"),
            VpcId=("String", "vpcId"),
            SubnetId=("String", "subnetId"),
            PrivateIpAddress=("String", "privateIpAddress"),
            SecurityGroups=("Groups", "groupSet"),
            IamInstanceProfile=("Profile", "iamInstanceProfile"),
            Tags=("Tags", "tagSet"),
        ),
        "Groups": _list_of("Group"),
        "Group": _structure(GroupId=("String", "groupId")),
        "Profile": _structure(Arn=("String", "arn")),
        "Tags": _list_of("Tag"),
        "Tag": _structure(Key=("String", "key"), Value=("String", "value")),
    }
).get_shape_by_name("Result")


class _FewMembersParser(AioEC2QueryParser):
    """Parser of EC2's protocol."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        kept = _INSTANCES if shape is not None and shape.name == "DescribeInstancesResult" else shape
        parsed: dict[str, Any] = super()._do_parse(response, kept)
        return parsed


class _PlainJsonParser(AioJSONParser):
    """Parser of the JSON protocol, which DynamoDB speaks."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - the SDK's signature
        try:
            parsed: dict[str, Any] = orjson.loads(response["body"] or b"{}")
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"the answer is no JSON: {error}") from None
        self._inject_response_metadata(parsed, response["headers"])
        return parsed


class FastFactory(AioResponseParserFactory):
    """Gives the SDK its parsers; a component of its session."""

    def create_parser(self, protocol_name: str) -> Any:  # noqa: ANN401 - SDK parsers have no static type
        """Give the parser of a protocol."""
        own = {"json": _PlainJsonParser, "ec2": _FewMembersParser}.get(protocol_name)
        return own(**self._defaults) if own else super().create_parser(protocol_name)
