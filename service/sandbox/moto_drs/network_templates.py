"""CloudFormation template of a VPC, as a source network is recovered and exported with it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from .shapes import Record

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.route_tables import RouteTable
    from moto.ec2.models.security_groups import SecurityGroup
    from moto.ec2.models.subnets import Subnet
    from moto.ec2.models.vpcs import VPC

VPC_ID = "Vpc"
_ATTACHMENT = "InternetGatewayAttachment"
_VPC = {"Ref": VPC_ID}


def template_of(ec2: EC2Backend, vpc: VPC) -> Record:
    """Return the template of a VPC.

    It has the VPC with its first range of addresses, its subnets, security groups with what they let in, internet
    gateway, and the routes to that. What else a VPC has is left out (inferred: AWS does not publish a template).
    """
    resources = {
        VPC_ID: _resource(
            "AWS::EC2::VPC",
            vpc,
            CidrBlock=vpc.cidr_block,
            EnableDnsSupport=vpc.enable_dns_support,
            EnableDnsHostnames=vpc.enable_dns_hostnames,
            InstanceTenancy=vpc.instance_tenancy,
        )
    }
    subnets = [each for each in ec2.describe_subnets() if each.vpc_id == vpc.id and _is_in(each, vpc)]
    resources.update((_stack_name_of(each), _subnet(each)) for each in subnets)
    groups = [each for each in ec2.groups.get(vpc.id, {}).values() if each.name != "default"]
    for group in groups:
        resources.update(_security_group(group, {each.id for each in groups}))
    gateway = next((each for each in ec2.internet_gateways.values() if each.vpc and each.vpc.id == vpc.id), None)
    if gateway is not None:
        resources["InternetGateway"] = _resource("AWS::EC2::InternetGateway", gateway)
        resources[_ATTACHMENT] = {
            "Type": "AWS::EC2::VPCGatewayAttachment",
            "Properties": {"VpcId": _VPC, "InternetGatewayId": {"Ref": "InternetGateway"}},
        }
        tables = [each for each in ec2.route_tables.values() if each.vpc_id == vpc.id]
        resources.update(_routes(tables, subnets, gateway.id))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Source network of {vpc.id}",
        "Resources": resources,
        "Outputs": {"VpcId": {"Value": _VPC}},
    }


def _is_in(subnet: Subnet, vpc: VPC) -> bool:
    return bool(subnet.cidr_block) and IPv4Network(subnet.cidr_block).subnet_of(IPv4Network(vpc.cidr_block))


def _stack_name_of(resource: Any) -> str:
    """Return the logical name of a resource. It stays the same, so that an update changes only what differs."""
    kind, _, number = str(resource.id).partition("-")
    return {"subnet": "Subnet", "sg": "SecurityGroup", "rtb": "RouteTable"}[kind] + number


def _resource(kind: str, origin: Any, **properties: object) -> Record:
    tags = origin.ec2_backend.tags.get(origin.id, {})  # get_tags of moto searches all tags of the region
    own = [{"Key": key, "Value": value} for key, value in tags.items() if not key.startswith("aws:")]
    return {"Type": kind, "Properties": {**properties, **({"Tags": own} if own else {})}}


def _subnet(subnet: Subnet) -> Record:
    """Return a subnet. The zones of the origin become zones a and b, which every region has (inferred)."""
    letter = "ab"[(ord(subnet.availability_zone[-1]) - ord("a")) % 2]
    return _resource(
        "AWS::EC2::Subnet",
        subnet,
        VpcId=_VPC,
        CidrBlock=subnet.cidr_block,
        AvailabilityZone={"Fn::Sub": f"${{AWS::Region}}{letter}"},
        MapPublicIpOnLaunch=str(subnet.map_public_ip_on_launch).lower() == "true",
    )


def _security_group(group: SecurityGroup, known_ids: set[str]) -> Iterator[tuple[str, Record]]:
    """Yield a group and its rules; rules are resources of their own, since groups may refer to each other."""
    name = _stack_name_of(group)
    yield (
        name,
        _resource(
            "AWS::EC2::SecurityGroup",
            group,
            GroupName=group.name,
            GroupDescription=group.description,
            VpcId=_VPC,
        ),
    )
    for rule in group.ingress_rules:
        source_id = rule.source_group.get("GroupId")
        if rule.cidr_ipv4:
            source: Record = {"CidrIp": rule.cidr_ipv4}
        elif source_id in known_ids:
            source = {"SourceSecurityGroupId": _group_id(f"SecurityGroup{source_id.removeprefix('sg-')}")}
        else:
            continue
        ports = {} if rule.from_port is None else {"FromPort": rule.from_port, "ToPort": rule.to_port}
        yield (
            f"Ingress{rule.id.removeprefix('sgr-')}",
            {
                "Type": "AWS::EC2::SecurityGroupIngress",
                "Properties": {"GroupId": _group_id(name), "IpProtocol": rule.ip_protocol, **ports, **source},
            },
        )


def _group_id(name: str) -> Record:
    return {"Fn::GetAtt": [name, "GroupId"]}


def _routes(tables: list[RouteTable], subnets: list[Subnet], gateway_id: str) -> Iterator[tuple[str, Record]]:
    """Yield the tables that lead to the internet gateway, with their subnets."""
    explicit = {each["SubnetId"]: table for table in tables for each in table.associations if "SubnetId" in each}
    main = next((table for table in tables if table.main_association_id is not None), None)
    for table in tables:
        destinations = [each.destination_cidr_block for each in table.routes if each.gateway_id == gateway_id]
        if not destinations:
            continue
        name = _stack_name_of(table)
        yield name, _resource("AWS::EC2::RouteTable", table, VpcId=_VPC)
        for number, destination in enumerate(destinations, start=1):
            yield (
                f"{name}Route{number}",
                {
                    "Type": "AWS::EC2::Route",
                    "DependsOn": _ATTACHMENT,
                    "Properties": {
                        "RouteTableId": {"Ref": name},
                        "DestinationCidrBlock": destination,
                        "GatewayId": {"Ref": "InternetGateway"},
                    },
                },
            )
        for subnet in subnets:
            if explicit.get(subnet.id, main) is table:
                yield (
                    f"{_stack_name_of(subnet)}Routes",
                    {
                        "Type": "AWS::EC2::SubnetRouteTableAssociation",
                        "Properties": {"RouteTableId": {"Ref": name}, "SubnetId": {"Ref": _stack_name_of(subnet)}},
                    },
                )
