"""Fast parsers for the three responses that cost a sync most of its CPU. Error responses use botocore's parsers.

* DynamoDB: plain JSON, without walking the service model for every attribute. botocore takes five times as long; it
  would also decode binaries, which `service/aws/dynamodb.py` does, and timestamps, which DynamoDB's items do not have.
* DRS DescribeSourceServers: plain JSON where the result equals botocore's, member by member; else botocore's parser.
  Records of a list whose members have other types than the service model says come as `OddRecord`, at its end.
* EC2 DescribeInstances: only the members that syncs read. An instance has about sixty; parsing the timestamps
  among them alone costs more than all the members that are read.

A response may be well-formed and still have an unexpected structure, such as the page of a proxy. The SDK's parsers
fail on it with built-in exceptions like TypeError; here they are converted to ResponseParserError, so that they are
reported as a problem of that call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from xml.etree.ElementTree import Element

import orjson
from aiobotocore.parsers import (
    AioEC2QueryParser,
    AioJSONParser,
    AioQueryParser,
    AioResponseParser,
    AioResponseParserFactory,
    AioRestJSONParser,
)
from botocore.model import ListShape, Shape, ShapeResolver, StructureShape
from botocore.parsers import ResponseParserError

from service.aws.structure import UnexpectedStructureError, exact_check, set_odd_records_aside
from service.models import OddRecord

__all__ = ["ParserFactory"]


def _structure(**members: tuple[str, str]) -> dict[str, Any]:
    named = {name: {"shape": shape, "locationName": element} for name, (shape, element) in members.items()}
    return {"type": "structure", "members": named}


def _list_of(shape: str) -> dict[str, Any]:
    return {"type": "list", "member": {"shape": shape, "locationName": "item"}}


# The same names and elements as in botocore's model; a test compares them.
_INSTANCES: Final = ShapeResolver(
    {
        "String": {"type": "string"},
        "Result": _structure(NextToken=("String", "nextToken"), Reservations=("Reservations", "reservationSet")),
        "Reservations": _list_of("Reservation"),
        "Reservation": _structure(OwnerId=("String", "ownerId"), Instances=("Instances", "instancesSet")),
        "Instances": _list_of("Instance"),
        "Instance": _structure(
            InstanceId=("String", "instanceId"),
            InstanceType=("String", "instanceType"),
            State=("State", "instanceState"),
            VpcId=("String", "vpcId"),
            SubnetId=("String", "subnetId"),
            PrivateIpAddress=("String", "privateIpAddress"),
            SecurityGroups=("Groups", "groupSet"),
            IamInstanceProfile=("Profile", "iamInstanceProfile"),
            Tags=("Tags", "tagSet"),
        ),
        "State": _structure(Name=("String", "name")),
        "Groups": _list_of("Group"),
        "Group": _structure(GroupId=("String", "groupId")),
        "Profile": _structure(Arn=("String", "arn")),
        "Tags": _list_of("Tag"),
        "Tag": _structure(Key=("String", "key"), Value=("String", "value")),
    }
).get_shape_by_name("Result")


def _reader(shape: Shape, namespace: str) -> Callable[[Element], Any]:
    """Return a function that parses an XML element by its shape; elements unknown to the shape are ignored."""
    if isinstance(shape, StructureShape):
        by_tag = {
            namespace + member.serialization["name"]: (name, _reader(member, namespace))
            for name, member in shape.members.items()
        }

        def read_structure(node: Element) -> dict[str, Any]:
            known = ((by_tag.get(child.tag), child) for child in node)
            return {member[0]: member[1](child) for member, child in known if member is not None}

        return read_structure
    if isinstance(shape, ListShape):
        read_member = _reader(shape.member, namespace)
        return lambda node: [read_member(child) for child in node]
    return lambda node: node.text or ""


@lru_cache(maxsize=4)
def _instances_reader(namespace: str) -> Callable[[Element], Any]:
    return _reader(_INSTANCES, namespace)


class _SafeParser(AioResponseParser):
    """Base of the parsers: every failure becomes a ResponseParserError without quoting the response."""

    async def parse(self, response: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - the SDK's signature
        """Parse a response; that of an error a second time, with the shape of the error's further members.

        Raises:
            ResponseParserError: something is wrong with it; but further members of an error are left out instead,
                because its code and message are known by then.
        """
        if self._is_modeled_error_shape(shape):
            try:
                return await self._parsed(response, shape)
            except ResponseParserError:
                return {}
        parsed = await self._parsed(response, shape)
        if response["status_code"] >= 300:  # noqa: PLR2004 - the SDK takes its code without a look
            told = parsed.get("Error")
            if not isinstance(told, dict) or not isinstance(told.get("Code"), str | None):
                raise ResponseParserError(f"unexpected structure of an error (HTTP status {response['status_code']})")
        return parsed

    async def _parsed(self, response: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - the SDK's
        try:
            return await super().parse(response, shape)
        except ResponseParserError as error:
            # The SDK puts the whole body after the first line, and logs these errors when renewing credentials.
            raise ResponseParserError(str(error).partition("\n")[0]) from None
        except UnexpectedStructureError as error:
            raise ResponseParserError(str(error)) from None
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # Only the type: the error's text may quote the response, and those of STS contain secrets.
            cause, size = type(error).__name__, len(response["body"])
            raise ResponseParserError(f"unexpected response structure ({cause}, {size} bytes)") from None


class _QueryParser(_SafeParser, AioQueryParser):
    """Parser of the query protocol (STS)."""


class _Ec2Parser(_SafeParser, AioEC2QueryParser):
    """Parser of the EC2 protocol; reads only those members of DescribeInstances that syncs read."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        parsed: dict[str, Any]
        if shape is None or shape.name != "DescribeInstancesResult":
            parsed = super()._do_parse(response, shape)
            return parsed
        root = self._parse_xml_string_to_dom(response["body"])
        parsed = _instances_reader(root.tag[: root.tag.find("}") + 1])(root)
        self._inject_response_metadata(root, parsed)
        return parsed


_EXACT_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {}  # by shape name; only DRS shapes are added


def parse_page_directly(body: bytes, shape: Shape) -> dict[str, Any] | None:
    """Parse a JSON body without botocore; None if its result could differ, or if a member has an unexpected type."""
    check = _EXACT_CHECKS.get(shape.name)
    if check is None:
        check = _EXACT_CHECKS[shape.name] = exact_check(shape)
    try:
        page: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # Python's json module accepts more, such as half a surrogate pair
    return page if check(page) else None


def _is_raw(shape: StructureShape) -> bool:
    """Whether the body is data of the caller, not a JSON document."""
    return "payload" in shape.serialization


def _json_document(body: bytes) -> object:
    """Parse a body as Python's json module does; None if it is not JSON: botocore's result then has no members."""
    try:
        return json.loads(body)
    except ValueError:
        return None


class _RestJsonParser(_SafeParser, AioRestJSONParser):
    """Parser of the REST JSON protocol (DRS)."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        if shape is not None and shape.name == "DescribeSourceServersResponse":
            page = parse_page_directly(response["body"], shape)
            if page is not None:
                return {"ResponseMetadata": self._populate_response_metadata(response), **page}
        odd: dict[str, list[OddRecord]] = {}
        if isinstance(shape, StructureShape) and not _is_raw(shape):
            document = _json_document(response["body"])
            if document is not None:
                kept, odd = set_odd_records_aside(shape, document)
                response = {**response, "body": json.dumps(kept).encode()} if odd else response
        parsed: dict[str, Any] = super()._do_parse(response, shape)
        for name, records in odd.items():
            parsed[name] = [*parsed[name], *records]
        return parsed


class _JsonParser(_SafeParser, AioJSONParser):
    """Parser of the JSON protocol (DynamoDB, EventBridge)."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        try:
            document: dict[str, Any] = orjson.loads(response["body"] or b"{}")
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"response is not JSON: {error}") from None
        if isinstance(shape, StructureShape):
            set_odd_records_aside(shape, document)
        parsed = {name: value for name, value in document.items() if value is not None}  # as the SDK does
        self._inject_response_metadata(parsed, response["headers"])
        return parsed


_PARSERS: Final[dict[str, type[_SafeParser]]] = {
    "json": _JsonParser,
    "query": _QueryParser,
    "ec2": _Ec2Parser,
    "rest-json": _RestJsonParser,
}


class ParserFactory(AioResponseParserFactory):
    """Parser factory, registered as a component of the SDK session."""

    def create_parser(self, protocol_name: str) -> Any:  # noqa: ANN401 - SDK parsers have no static type
        """Return the parser of a protocol."""
        own = _PARSERS.get(protocol_name)
        return own(**self._defaults) if own else super().create_parser(protocol_name)
