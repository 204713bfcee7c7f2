"""EC2 reads, with responses that no emulator returns."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from service.aws.client import AwsClient
from service.aws.ec2 import Ec2Reader
from service.errors import AwsError
from service.models import OddRecord
from service.settings import Settings
from tests.support.scripted import Answer, Request, answer, scripted_aws

PAGE = 100
STATES = ("pending", "running", "shutting-down", "stopping", "stopped", "terminated")
WANTED = [f"i-{number:03d}" for number in range(401)]


def paged(request: Request) -> Answer:
    """Return nine in ten of the requested instances, a hundred per page."""
    params = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    ids = [value for name, value in params.items() if name.startswith("Filter.1.Value.")]
    assert len(ids) <= 200, "EC2 takes no more values"
    start = int(params.get("NextToken", 0))
    shown = "".join(
        f"<item><instanceId>{each}</instanceId></item>" for each in ids[start : start + PAGE] if not each.endswith("5")
    )
    token = f"<nextToken>{start + PAGE}</nextToken>" if start + PAGE < len(ids) else ""
    page = f"<reservationSet><item><instancesSet>{shown}</instancesSet></item></reservationSet>{token}"
    xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/"
    return answer(f'<DescribeInstancesResponse xmlns="{xmlns}">{page}</DescribeInstancesResponse>'.encode())


async def test_every_page_is_read_and_missing_instances_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        scripted_aws(paged, monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        instances = await Ec2Reader(aws_client.hub()).instances("us-west-2", [*WANTED, *WANTED])
    assert list(instances) == [each for each in WANTED if not each.endswith("5")]
    assert len(aws.requests) == 2 + 2 + 1


async def test_a_terminated_instance_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """EC2 lists it for an hour, without its network, which the inventory would record as a change."""
    items = "".join(
        f"<item><instancesSet><item><instanceId>i-{state}</instanceId>"
        f"<instanceState><code>0</code><name>{state}</name></instanceState></item></instancesSet></item>"
        for state in STATES
    )
    body = (
        '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>'
        f"<reservationSet>{items}</reservationSet></DescribeInstancesResponse>"
    )
    async with (
        scripted_aws(lambda _: answer(body.encode()), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        instances = await Ec2Reader(aws_client.hub()).instances("us-east-1", [f"i-{state}" for state in STATES])
    assert set(instances) == {f"i-{state}" for state in STATES[:-1]}


async def test_tokens_that_never_end_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page has another token: the bound is far below the calls that fit into the scope's deadline."""
    tokens = (f"<nextToken>{number}</nextToken>" for number in range(1000))
    async with (
        scripted_aws(lambda _: answer(_answer(f"<reservationSet/>{next(tokens)}")), monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match="MalformedResponse: NextToken does not end after 50 pages"):
            await Ec2Reader(aws_client.hub()).instances("us-east-1", ["i-1"])
        assert len(aws.requests) == 50


@pytest.mark.parametrize(
    "inside",
    [
        "<tagSet><item><value>x</value></item></tagSet>",
        "<tagSet><item/></tagSet>",
        "<groupSet><item><groupName>x</groupName></item></groupSet>",
    ],
)
async def test_an_instance_without_the_key_of_a_tag_costs_only_itself(
    inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instances = f"<item><instanceId>i-1</instanceId>{inside}</item><item><instanceId>i-2</instanceId></item>"
    content = f"<reservationSet><item><instancesSet>{instances}</instancesSet></item></reservationSet>"
    async with (
        scripted_aws(lambda _: answer(_answer(content)), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        found = await Ec2Reader(aws_client.hub()).instances("us-east-1", ["i-1", "i-2"])
    assert isinstance(found["i-1"], OddRecord)
    assert found["i-2"] == {"InstanceId": "i-2"}


def _answer(content: str) -> bytes:
    xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/"
    return f'<DescribeInstancesResponse xmlns="{xmlns}">{content}</DescribeInstancesResponse>'.encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<reservationSet/><nextToken>x</nextToken>", "NextToken repeats"),
        ("<nextToken>x</nextToken>", "response is missing Reservations"),
        ("<reservationSet><item/></reservationSet>", "a reservation is missing Instances"),
        (
            "<reservationSet><item><instancesSet><item/></instancesSet></item></reservationSet>",
            "an instance has none of the requested ids",
        ),
    ],
)
async def test_an_impossible_page_is_malformed(content: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated token would be followed until the scope's deadline."""
    async with (
        scripted_aws(lambda _: answer(_answer(content)), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match=f"MalformedResponse: {problem}"):
            await Ec2Reader(aws_client.hub()).instances("us-east-1", ["i-1"])


async def test_every_instance_is_listed_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(number: int) -> str:
        instances = (
            f"<item><instanceId>i-{number}</instanceId><instanceState><name>terminated</name></instanceState></item>"
        )
        token = "<nextToken>more</nextToken>" if number == 1 else ""
        owner = "<ownerId>111122223333</ownerId>" if number == 1 else ""
        return f"<reservationSet><item>{owner}<instancesSet>{instances}</instancesSet></item></reservationSet>{token}"

    def script(request: Request) -> Answer:
        params = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        assert params["MaxResults"] == "1000"
        return answer(_answer(page(2 if "NextToken" in params else 1)))

    async with (
        scripted_aws(script, monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        pages = [page async for page in Ec2Reader(aws_client.hub()).every_instance("us-east-1")]
    assert [[(owner, each["InstanceId"]) for owner, each in page] for page in pages] == [
        [("111122223333", "i-1")],
        [("", "i-2")],
    ]
    assert len(aws.requests) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<reservationSet/><nextToken>x</nextToken>", "NextToken repeats"),
        ("<nextToken>x</nextToken>", "response is missing Reservations"),
        ("<reservationSet><item/></reservationSet>", "a reservation is missing Instances"),
        (
            "<reservationSet><item><instancesSet><item/></instancesSet></item></reservationSet>",
            "an instance is missing InstanceId",
        ),
    ],
)
async def test_an_impossible_page_of_every_instance_is_malformed(
    content: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        scripted_aws(lambda _: answer(_answer(content)), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match=f"MalformedResponse: {problem}"):
            async for _ in Ec2Reader(aws_client.hub()).every_instance("us-east-1"):
                pass
