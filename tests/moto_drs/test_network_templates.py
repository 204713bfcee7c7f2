"""The template of a VPC, made from moto's EC2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from moto.backends import get_backend

from service.sandbox.moto_drs.network_templates import template_of
from tests.moto_drs.conftest import REGION

Record = dict[str, Any]


@pytest.fixture
def ec2(new_account: Callable[[], str]) -> Any:
    return get_backend("ec2")[new_account()][REGION]


@pytest.fixture
def vpc(ec2: Any) -> Any:
    return ec2.create_vpc("10.4.0.0/16")


def resources_of(ec2: Any, vpc: Any, kind: str) -> list[Record]:
    """Return the properties of the resources of one type."""
    resources = template_of(ec2, vpc)["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == f"AWS::EC2::{kind}"]


def test_a_bare_vpc_is_a_template_of_one_resource(ec2: Any, vpc: Any) -> None:
    assert template_of(ec2, vpc) == {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Source network of {vpc.id}",
        "Resources": {
            "Vpc": {
                "Type": "AWS::EC2::VPC",
                "Properties": {
                    "CidrBlock": "10.4.0.0/16",
                    "EnableDnsSupport": True,
                    "EnableDnsHostnames": False,
                    "InstanceTenancy": "default",
                },
            }
        },
        "Outputs": {"VpcId": {"Value": {"Ref": "Vpc"}}},
    }


def test_tags_are_copied_but_not_those_of_aws(ec2: Any, vpc: Any) -> None:
    vpc.add_tags({"Name": "shop", "aws:cloudformation:stack-name": "shop"})
    (properties,) = resources_of(ec2, vpc, "VPC")
    assert properties["Tags"] == [{"Key": "Name", "Value": "shop"}]


def test_subnets_of_the_first_range_are_copied(ec2: Any, vpc: Any) -> None:
    vpc.associate_vpc_cidr_block("10.9.0.0/16")
    for number, block in enumerate(("10.4.0.0/24", "10.4.1.0/24", "10.9.0.0/24")):
        subnet = ec2.create_subnet(vpc.id, block, availability_zone=f"{REGION}{'abc'[number]}")
        ec2.modify_subnet_attribute(subnet.id, "map_public_ip_on_launch", str(number == 0).lower())
    ec2.create_subnet(ec2.create_vpc("10.4.0.0/16").id, "10.4.7.0/24")
    subnets = resources_of(ec2, vpc, "Subnet")
    shown = [(each["CidrBlock"], each["MapPublicIpOnLaunch"], each["AvailabilityZone"]["Fn::Sub"]) for each in subnets]
    assert shown == [("10.4.0.0/24", True, "${AWS::Region}a"), ("10.4.1.0/24", False, "${AWS::Region}b")]


def test_subnets_without_a_table_of_their_own_have_the_main_one(ec2: Any, vpc: Any) -> None:
    gateway = ec2.create_internet_gateway()
    ec2.attach_internet_gateway(gateway.id, vpc.id)
    (main,) = [each for each in ec2.route_tables.values() if each.vpc_id == vpc.id]
    ec2.create_route(main.id, "0.0.0.0/0", gateway_id=gateway.id)
    own = ec2.create_route_table(vpc.id)  # leads nowhere
    public, private = [ec2.create_subnet(vpc.id, block) for block in ("10.4.0.0/24", "10.4.1.0/24")]
    ec2.associate_route_table(own.id, gateway_id=None, subnet_id=private.id)
    resources = template_of(ec2, vpc)["Resources"]
    name = f"RouteTable{main.id.removeprefix('rtb-')}"
    assert resources_of(ec2, vpc, "SubnetRouteTableAssociation") == [
        {"RouteTableId": {"Ref": name}, "SubnetId": {"Ref": f"Subnet{public.id.removeprefix('subnet-')}"}}
    ]
    assert resources[f"{name}Route1"] == {
        "Type": "AWS::EC2::Route",
        "DependsOn": "InternetGatewayAttachment",  # else CloudFormation may create the route too early
        "Properties": {
            "RouteTableId": {"Ref": name},
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": {"Ref": "InternetGateway"},
        },
    }
    assert len(resources_of(ec2, vpc, "RouteTable")) == 1


def test_without_a_gateway_there_are_no_tables(ec2: Any, vpc: Any) -> None:
    ec2.create_route_table(vpc.id)
    assert list(template_of(ec2, vpc)["Resources"]) == ["Vpc"]


def test_names_stay_the_same_when_other_resources_come_and_go(ec2: Any, vpc: Any) -> None:
    first, second = [ec2.create_subnet(vpc.id, block).id for block in ("10.4.0.0/24", "10.4.1.0/24")]
    before = set(template_of(ec2, vpc)["Resources"])
    ec2.delete_subnet(first)
    assert before - set(template_of(ec2, vpc)["Resources"]) == {f"Subnet{first.removeprefix('subnet-')}"}
    assert f"Subnet{second.removeprefix('subnet-')}" in before


@pytest.mark.parametrize(
    ("protocol", "ports", "expected"),
    [
        ("tcp", ("22", "80"), {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 80}),
        ("icmp", ("-1", "-1"), {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1}),
        ("-1", (None, None), {"IpProtocol": "-1"}),
    ],
)
def test_rules_of_security_groups(ec2: Any, vpc: Any, protocol: str, ports: tuple[Any, Any], expected: Record) -> None:
    group = ec2.create_security_group("web", "The web servers", vpc.id)
    ec2.authorize_security_group_ingress(group.id, protocol, *ports, [{"CidrIp": "10.0.0.0/8"}])
    name = f"SecurityGroup{group.id.removeprefix('sg-')}"
    (properties,) = resources_of(ec2, vpc, "SecurityGroupIngress")
    assert properties == {"GroupId": {"Fn::GetAtt": [name, "GroupId"]}, "CidrIp": "10.0.0.0/8", **expected}
    (own,) = resources_of(ec2, vpc, "SecurityGroup")
    assert own == {"GroupName": "web", "GroupDescription": "The web servers", "VpcId": {"Ref": "Vpc"}}
