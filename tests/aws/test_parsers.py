"""The fast parsers (EC2 members, pages of DRS) give the same results as botocore's parsers."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import boto3
import botocore.session
import pytest
from aiobotocore.parsers import AioResponseParserFactory
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import ResponseParserError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.aws.client import AwsClient
from service.aws.parsers import _INSTANCES, ParserFactory, parse_page_directly
from service.aws.structure import type_check
from service.models import OddRecord, utc_now
from service.settings import Settings
from tests.support.sandbox import EngineSandbox


@cache
def _model() -> Any:
    ec2 = botocore.session.get_session().get_service_model("ec2")
    return ec2.operation_model("DescribeInstances").output_shape


def _misplaced(kept: Shape, own: Shape, path: str = "") -> list[str]:
    """Return the members that botocore's model does not have at that element, or has with another type."""
    if kept.type_name != own.type_name:
        return [f"{path}: {kept.type_name} is {own.type_name}"]
    if isinstance(kept, ListShape) and isinstance(own, ListShape):
        here = [] if kept.member.serialization["name"] == own.member.serialization["name"] else [f"{path}[]"]
        return here + _misplaced(kept.member, own.member, f"{path}[]")
    misplaced = []
    if isinstance(kept, StructureShape) and isinstance(own, StructureShape):
        for name, member in kept.members.items():
            theirs = own.members.get(name)
            if theirs is None or theirs.serialization["name"] != member.serialization["name"]:
                misplaced.append(f"{path}.{name}")
            else:
                misplaced += _misplaced(member, theirs, f"{path}.{name}")
    return misplaced


def test_kept_members_are_in_botocores_model() -> None:
    assert _misplaced(_INSTANCES, _model()) == []


def _kept(shape: Shape, value: Any) -> Any:
    """Return only those members of a value that a shape has."""
    if isinstance(shape, ListShape):
        return [_kept(shape.member, each) for each in value]
    if isinstance(shape, StructureShape):
        return {name: _kept(member, value[name]) for name, member in shape.members.items() if name in value}
    return value


@pytest.mark.parametrize("params", [{}, {"MaxResults": 5}, {"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}])
async def test_a_response_equals_botocores_except_for_unused_members(
    params: dict[str, Any], sandbox: EngineSandbox
) -> None:
    sts = boto3.client("sts")
    role = f"arn:aws:iam::{sandbox.names.apps}:role/DRSOrchestrationRole"
    given = sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId="drs-orchestration-cross-account")
    keys = given["Credentials"]
    theirs = boto3.client(
        "ec2",
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    ).describe_instances(**params)
    sandbox.set(AWS_ACCESS_KEY_ID=keys["AccessKeyId"], AWS_SECRET_ACCESS_KEY=keys["SecretAccessKey"])
    sandbox.set(AWS_SESSION_TOKEN=keys["SessionToken"])
    async with AwsClient(Settings(), utc_now) as aws_client:
        ours = await aws_client.hub().call("ec2", "DescribeInstances", params, region="us-east-1")
    ours.pop("ResponseMetadata")
    assert ours == _kept(_INSTANCES, theirs)
    assert bool(ours["Reservations"]) == ("Filters" not in params)


# ---- DescribeInstances, element by element, against botocore's parser with its whole model

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8)


def _xml(shape: Shape) -> st.SearchStrategy[str]:
    """Generate the content of an element: members in any order, some missing, unknown elements between them."""
    if isinstance(shape, StructureShape):
        members = [_element(member.serialization["name"], _xml(member)) for member in shape.members.values()]
        unknown = st.sampled_from(["<reason/>", "<launchTime>2026-01-04T08:01:55.000Z</launchTime>", "\n  "])
        some = st.lists(st.sampled_from(range(len(members))), unique=True).flatmap(
            lambda chosen: st.tuples(*(members[each] for each in chosen))
        )
        return st.tuples(some, unknown).map(lambda drawn: "".join(drawn[0]) + drawn[1])
    if isinstance(shape, ListShape):
        return st.lists(_element("item", _xml(shape.member)), max_size=2).map("".join)
    return _TEXT.map(escape)


def _element(name: str, inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return inside.map(lambda text: f"<{name}>{text}</{name}>")


@given(inside=_xml(_INSTANCES), namespace=st.sampled_from(["", ' xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"']))
async def test_instances_are_read_as_botocore_reads_them(inside: str, namespace: str) -> None:
    body = f"<DescribeInstancesResponse{namespace}><requestId>r</requestId>{inside}</DescribeInstancesResponse>"
    response = {"status_code": 200, "headers": {}, "body": body.encode()}
    ours = await ParserFactory().create_parser("ec2").parse(response, _model())
    theirs = await AioResponseParserFactory().create_parser("ec2").parse(response, _model())
    assert ours.pop("ResponseMetadata") == theirs.pop("ResponseMetadata")
    assert ours == _kept(_INSTANCES, theirs)


# ---- DescribeSourceServers: botocore's own result, whatever the body

_PAGE = botocore.session.get_session().get_service_model("drs").operation_model("DescribeSourceServers").output_shape
_ODD: st.SearchStrategy[Any] = st.one_of(st.none(), st.booleans(), _TEXT, st.just([]), st.just({}), st.floats(0, 9))


def _json(shape: Shape, *, odd: bool) -> st.SearchStrategy[Any]:
    """Generate a value of a shape; with `odd`, also with unknown members, nulls, and values of wrong types."""
    usual: st.SearchStrategy[Any]
    if isinstance(shape, StructureShape):
        members = {name: _json(member, odd=odd) for name, member in shape.members.items()}
        usual = st.fixed_dictionaries({}, optional={**members, **({"addedLater": _ODD} if odd else {})})
    elif isinstance(shape, ListShape):
        usual = st.lists(_json(shape.member, odd=odd), max_size=2)
    elif isinstance(shape, MapShape):
        usual = st.dictionaries(_TEXT, _json(shape.value, odd=odd), max_size=3)
    else:
        scalars: dict[str, st.SearchStrategy[Any]] = {"long": st.integers(0, 2**50), "boolean": st.booleans()}
        usual = scalars.get(shape.type_name, _TEXT)
    return st.one_of(usual, usual, usual, _ODD) if odd else usual


async def _outcome(factory: AioResponseParserFactory, body: bytes) -> Any:
    response = {"status_code": 200, "headers": {"x-amzn-requestid": "r"}, "body": body}
    try:
        return await factory.create_parser("rest-json").parse(response, _PAGE)
    except ResponseParserError:
        return "refused"
    except Exception:
        if isinstance(factory, ParserFactory):  # our parsers raise only ResponseParserError
            raise
        return "refused"


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_json(_PAGE, odd=False))
async def test_a_valid_page_is_parsed_directly(page: Any) -> None:
    body = json.dumps(page).encode()
    assert parse_page_directly(body, _PAGE) == (None if b"null" in body else page)
    assert await _outcome(ParserFactory(), body) == await _outcome(AioResponseParserFactory(), body)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_json(_PAGE, odd=True))
async def test_a_page_is_parsed_as_botocore_parses_it_without_its_odd_records(page: Any) -> None:
    found = await _outcome(ParserFactory(), json.dumps(page).encode())
    records = page.get("items") if isinstance(page, dict) else None
    if not (isinstance(page, dict) and type_check(_PAGE)({**page, "items": []})):
        assert found == "refused"
    elif records is None:
        assert found == await _outcome(AioResponseParserFactory(), json.dumps(page).encode())
    elif not isinstance(records, list):
        assert found == "refused"  # botocore makes an empty list of an empty object or text
    else:
        usable = [each for each in records if type_check(_PAGE.members["items"].member)(each)]
        odd = len(records) - len(usable)
        assert [isinstance(each, OddRecord) for each in found["items"]] == [False] * len(usable) + [True] * odd
        kept = {**found, "items": found["items"][: len(usable)]}
        assert kept == await _outcome(AioResponseParserFactory(), json.dumps({**page, "items": usable}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"items"',
        b'{"items": 3}',
        b'{"items": [], "nextToken": null}',
        b'{"items": [{"sourceServerID": "\\ud800"}]}',
        b'{"items": [{"sourceServerID": "s-1", "isNew": true}]}',
        b'{"items": [], "items": [{"arn": "a"}]}',
    ],
)
async def test_an_unexpected_body_is_parsed_as_botocore_parses_it(body: bytes) -> None:
    assert await _outcome(ParserFactory(), body) == await _outcome(AioResponseParserFactory(), body)


@pytest.mark.parametrize(
    ("service", "operation", "body", "why"),
    [
        ("drs", "GetReplicationConfiguration", {"pitPolicy": [5]}, "pitPolicy[0]"),
        ("drs", "GetReplicationConfiguration", {"ebsEncryption": ["x"]}, "ebsEncryption"),
        ("drs", "GetLaunchConfiguration", {"copyTags": "true"}, "copyTags"),
        ("drs", "ListStagingAccounts", {"accounts": "", "nextToken": "a"}, "accounts is not a list"),
        ("drs", "ListStagingAccounts", {"accounts": [], "nextToken": 5}, "nextToken"),
        ("dynamodb", "Query", {"Items": {"a": {}}}, "Items"),
        ("dynamodb", "Query", {"Items": [[]]}, "Items[0]"),
        ("dynamodb", "Query", {"Items": [{"a": 5}, []]}, "Items[1]"),  # a value is checked where it is decoded
        (
            "dynamodb",
            "DescribeTable",
            {"Table": {"KeySchema": [{"AttributeName": 5}]}},
            "Table.KeySchema[0].AttributeName",
        ),
        ("events", "DescribeRule", {"ScheduleExpression": {}}, "ScheduleExpression"),
    ],
)
async def test_a_member_of_another_type_is_refused_by_name(service: str, operation: str, body: Any, why: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    parser = ParserFactory().create_parser(model.resolved_protocol)
    response = {"status_code": 200, "headers": {}, "body": json.dumps(body).encode()}
    with pytest.raises(ResponseParserError, match=f"^{re.escape(why)}"):
        await parser.parse(response, model.operation_model(operation).output_shape)


@pytest.mark.parametrize("depth", [500, 2_000, 200_000])
@pytest.mark.parametrize("service", ["drs", "dynamodb", "events"])
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_body_that_is_nested_too_deep_is_refused(depth: int, service: str, status: int) -> None:
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(
        {"drs": "DescribeSourceServers", "dynamodb": "Scan", "events": "DescribeRule"}[service]
    )
    nested = b"[" * depth + b"]" * depth
    body = b"{%s}" % b", ".join(b'"%s": %s' % (name, nested) for name in (b"message", b"items", b"Items", b"Name"))
    parser = ParserFactory().create_parser(model.resolved_protocol)
    try:
        parsed = await parser.parse({"status_code": status, "headers": {}, "body": body}, shape.output_shape)
    except ResponseParserError:
        return
    # The text of an error may be anything, and a member that the model does not have is ignored.
    assert status >= 400 or (depth < 1000 and set(parsed) <= {"ResponseMetadata", "items"})
    assert all(isinstance(each, OddRecord) for each in parsed.get("items", []))


_NO_CODES = (b"5", b"0", b"null", b"{}", b"[]", b'["x"]', b"false", b'""')


@pytest.mark.parametrize("more", [{"Item": 5}, {"Item": {"pk": 5}}, {"Item": []}, {}])
async def test_odd_details_of_an_error_leave_its_code(more: Any) -> None:
    model = botocore.session.get_session().get_service_model("dynamodb")
    parser = ParserFactory().create_parser("json")
    body = {"__type": "x#ConditionalCheckFailedException", "message": "no", **more}
    response = {"status_code": 400, "headers": {}, "body": json.dumps(body).encode()}
    parsed = await parser.parse(response, model.operation_model("PutItem").output_shape)
    assert parsed["Error"]["Code"] == "ConditionalCheckFailedException"
    details = await parser.parse(response, model.shape_for_error_code("ConditionalCheckFailedException"))
    assert "Error" not in details


@pytest.mark.parametrize(
    "body", [b"[]", b"[1]", b'"text"', b"5", b'{"__type": 5}', b'{"__type": {}}', b'{"__type": []}']
)
@pytest.mark.parametrize("service", ["drs", "dynamodb", "events"])
async def test_an_error_of_an_odd_structure_is_malformed_or_without_a_code(service: str, body: bytes) -> None:
    model = botocore.session.get_session().get_service_model(service)
    parser = ParserFactory().create_parser(model.resolved_protocol)
    try:
        parsed = await parser.parse({"status_code": 400, "headers": {}, "body": body}, None)
    except ResponseParserError:
        return
    assert isinstance(parsed["Error"].get("Code"), str | None)


@pytest.mark.parametrize("inside", ["", "<Error/>", "<Error>text</Error>", "<Error><Code/></Error>", "<Errors/>"])
@pytest.mark.parametrize("protocol", ["query", "ec2"])
async def test_an_xml_error_of_an_odd_structure_is_malformed_or_without_a_code(protocol: str, inside: str) -> None:
    body = f"<ErrorResponse>{inside}</ErrorResponse>".encode()
    try:
        parser = ParserFactory().create_parser(protocol)
        parsed = await parser.parse({"status_code": 403, "headers": {}, "body": body}, None)
    except ResponseParserError:
        return
    assert isinstance(parsed["Error"].get("Code"), str | None)
