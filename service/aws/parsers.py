"""How the three answers that a sync spends its time on are parsed. Errors still take botocore's way.

DynamoDB's come straight from JSON, without walking the service model for every attribute: botocore's own way takes
5 times as long, and would add the decoding of blobs and timestamps, of which our tables have none. A page of
DescribeSourceServers comes straight from JSON where that is the same as botocore's result, member by member; else
botocore's way is taken. Of EC2's DescribeInstances only the few members are read that the inventory keeps: an instance
has some sixty, and their timestamps alone cost more than all that is kept.

An answer may be well-formed and of another shape, as a proxy's page is. The SDK's parsers trip over such ones with
errors of Python's own, which nobody up to the run itself would take for a trouble with AWS; here they are told as what
they are.
"""

from __future__ import annotations

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
    """Make what reads an element by a shape of structures, lists and strings; unknown elements are passed over."""
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


class _Steady(AioResponseParser):
    """What every parser does here with an answer that it cannot make sense of."""

    async def parse(self, response: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - the SDK's signature
        """Parse an answer. Raises ResponseParserError, whatever is wrong with it."""
        try:
            return await super().parse(response, shape)
        except ResponseParserError as error:
            # The SDK puts the whole body behind its first line, and logs such errors of a renewal by itself.
            raise ResponseParserError(str(error).partition("\n")[0]) from None
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # Not the error's own words: they may quote the answer, and STS's has secrets.
            cause, size = type(error).__name__, len(response["body"])
            raise ResponseParserError(f"the answer of {size} bytes has another shape ({cause})") from None


class _QueryParser(_Steady, AioQueryParser):
    """Parser of the query protocol, which STS speaks."""


class _FewMembersParser(_Steady, AioEC2QueryParser):
    """Parser of EC2's protocol."""

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
    """Make what tells whether botocore would leave a JSON value as it is; None: it leaves any, save null in structures.

    It does where a structure has no member that the model lacks, and no blob, timestamp or renamed member.
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


_CHECKS: Final[dict[str, Callable[[Any], bool] | None]] = {}  # of the one service model that the SDK brings


def parse_page_directly(body: bytes, shape: Shape) -> dict[str, Any] | None:
    """Parse a JSON body without its model, if botocore's result would be the same; None: take botocore's way.

    The word null anywhere leads there too: botocore drops such members.
    """
    if b"null" in body:
        return None
    if shape.name not in _CHECKS:
        _CHECKS[shape.name] = _check(shape)
    try:
        page: dict[str, Any] = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # Python's own parser takes more, such as half a surrogate pair
    check = _CHECKS[shape.name]
    return page if check is not None and check(page) else None


class _DirectPageParser(_Steady, AioRestJSONParser):
    """Parser of the REST JSON protocol, which DRS speaks."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's signature
        if shape is not None and shape.name == "DescribeSourceServersResponse":
            page = parse_page_directly(response["body"], shape)
            if page is not None:
                return {"ResponseMetadata": self._populate_response_metadata(response), **page}
        parsed: dict[str, Any] = super()._do_parse(response, shape)
        return parsed


class _PlainJsonParser(_Steady, AioJSONParser):
    """Parser of the JSON protocol, which DynamoDB speaks."""

    def _do_parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - the SDK's signature
        try:
            parsed: dict[str, Any] = orjson.loads(response["body"] or b"{}")
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"the answer is no JSON: {error}") from None
        self._inject_response_metadata(parsed, response["headers"])
        return parsed


_PARSERS: Final[dict[str, type[_Steady]]] = {
    "json": _PlainJsonParser,
    "query": _QueryParser,
    "ec2": _FewMembersParser,
    "rest-json": _DirectPageParser,
}


class ParserFactory(AioResponseParserFactory):
    """Gives the SDK its parsers; a component of its session."""

    def create_parser(self, protocol_name: str) -> Any:  # noqa: ANN401 - SDK parsers have no static type
        """Give the parser of a protocol."""
        own = _PARSERS.get(protocol_name)
        return own(**self._defaults) if own else super().create_parser(protocol_name)
