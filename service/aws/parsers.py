"""Fast parsers for the three responses that cost a sync most of its CPU. Error responses use botocore's parsers.

* DynamoDB: plain JSON, without walking the service model for every attribute. botocore takes five times as long; it
  would also decode binaries, which `service/aws/dynamodb.py` does, and timestamps, which DynamoDB's items do not have.
* DRS DescribeSourceServers: plain JSON where the result equals botocore's, member by member; else botocore's parser.
* EC2 DescribeInstances: only the members that the inventory stores. An instance has about sixty; parsing the timestamps
  among them alone costs more than all the members that are stored.

A response may be well-formed and still have an unexpected structure, such as the page of a proxy. The SDK's parsers
fail on it with built-in exceptions like TypeError; here they are converted to ResponseParserError, so that they are
reported as a problem of that call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
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
from botocore.model import ListShape, MapShape, Shape, ShapeResolver, StructureShape
from botocore.parsers import ResponseParserError

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
        "Reservation": _structure(Instances=("Instances", "instancesSet")),
        "Instances": _list_of("Instance"),
        "Instance": _structure(
            InstanceId=("String", "instanceId"),
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
        """Parse a response. Raises ResponseParserError, whatever is wrong with it."""
        try:
            return await super().parse(response, shape)
        except ResponseParserError as error:
            # The SDK puts the whole body after the first line, and logs these errors when renewing credentials.
            raise ResponseParserError(str(error).partition("\n")[0]) from None
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # Only the type: the error's text may quote the response, and those of STS contain secrets.
            cause, size = type(error).__name__, len(response["body"])
            raise ResponseParserError(f"unexpected response structure ({cause}, {size} bytes)") from None


class _QueryParser(_SafeParser, AioQueryParser):
    """Parser of the query protocol (STS)."""


class _Ec2Parser(_SafeParser, AioEC2QueryParser):
    """Parser of the EC2 protocol; reads only the stored members of DescribeInstances."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        parsed: dict[str, Any]
        if shape is None or shape.name != "DescribeInstancesResult":
            parsed = super()._do_parse(response, shape)
            return parsed
        root = self._parse_xml_string_to_dom(response["body"])
        parsed = _instances_reader(root.tag[: root.tag.find("}") + 1])(root)
        self._inject_response_metadata(root, parsed)
        return parsed


def _check(shape: Shape) -> Callable[[Any], bool] | None:
    """Return a predicate: whether botocore would return a JSON value unchanged; None if it always would.

    It changes structures with a member unknown to the model, and blobs, timestamps, renamed members and nulls.
    """
    if isinstance(shape, StructureShape):
        if any("name" in member.serialization for member in shape.members.values()):
            return _never
        names = frozenset(shape.members)
        checks = {name: check for name, member in shape.members.items() if (check := _check(member)) is not None}
        nested = frozenset(checks)

        def fits(value: Any) -> bool:  # noqa: ANN401 - JSON
            return (
                type(value) is dict
                and value.keys() <= names
                and all(checks[name](value[name]) for name in value.keys() & nested)
            )

        return fits
    if isinstance(shape, ListShape):
        return _all_of(list, _check(shape.member), iter)
    if isinstance(shape, MapShape):
        return _all_of(dict, _check(shape.value), dict.values)
    return _never if shape.type_name in {"blob", "timestamp"} else None


def _never(_: object) -> bool:
    return False


def _all_of(
    kind: type, check: Callable[[Any], bool] | None, members: Callable[[Any], Iterable[Any]]
) -> Callable[[Any], bool]:
    if check is None:
        return lambda value: type(value) is kind
    return lambda value: type(value) is kind and all(map(check, members(value)))


_CHECKS: Final[dict[str, Callable[[Any], bool] | None]] = {}  # by shape name; only DRS shapes are added


def parse_page_directly(body: bytes, shape: Shape) -> dict[str, Any] | None:
    """Parse a JSON body without its model; None if the result could differ from botocore's.

    Also None if the body contains `null` anywhere, because botocore drops such members.
    """
    if b"null" in body:
        return None
    if shape.name not in _CHECKS:
        _CHECKS[shape.name] = _check(shape)
    try:
        page: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # Python's json module accepts more, such as half a surrogate pair
    check = _CHECKS[shape.name]
    return page if check is not None and check(page) else None


class _RestJsonParser(_SafeParser, AioRestJSONParser):
    """Parser of the REST JSON protocol (DRS)."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        if shape is not None and shape.name == "DescribeSourceServersResponse":
            page = parse_page_directly(response["body"], shape)
            if page is not None:
                return {"ResponseMetadata": self._populate_response_metadata(response), **page}
        parsed: dict[str, Any] = super()._do_parse(response, shape)
        _check_lists(response["body"], shape)
        return parsed


def _check_lists(body: bytes, shape: Shape) -> None:
    """Check that the lists of a response are lists: botocore makes an empty list of an empty object or text.

    Raises:
        ResponseParserError: one is of another type.
    """
    members = shape.members.items() if isinstance(shape, StructureShape) else ()
    names = {member.serialization.get("name", name) for name, member in members if isinstance(member, ListShape)}
    try:
        document = json.loads(body) if names else None
    except ValueError:
        return  # botocore's result is then without any member of the shape
    for name, value in document.items() if isinstance(document, dict) else ():
        if name in names and value is not None and not isinstance(value, list):
            raise ResponseParserError(f"{name} is not a list")


class _JsonParser(_SafeParser, AioJSONParser):
    """Parser of the JSON protocol (DynamoDB)."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - the SDK's signature
        try:
            parsed: dict[str, Any] = orjson.loads(response["body"] or b"{}")
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"response is not JSON: {error}") from None
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
