"""What source networks use of other services of moto: VPCs of EC2, stacks of CloudFormation, objects of S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.core.exceptions import ServiceException
from moto.utilities.utils import get_partition

from .network_templates import VPC_ID, template_of
from .shapes import Record

if TYPE_CHECKING:
    from moto.cloudformation.models import CloudFormationBackend, Stack


class StackError(Exception):
    """A stack could not be deployed; the text is why."""


def vpc_exists(account_id: str, region: str, vpc_id: str) -> bool:
    regions = get_backend("ec2")[account_id]
    return region in regions and vpc_id in regions[region].vpcs


def vpc_template(account_id: str, region: str, vpc_id: str) -> Record | None:
    """Return the template of a VPC as it is now; None when there is no such VPC."""
    if not vpc_exists(account_id, region, vpc_id):
        return None
    ec2 = get_backend("ec2")[account_id][region]
    return template_of(ec2, ec2.vpcs[vpc_id])


def vpc_of_instance(account_id: str, region: str, instance_id: str) -> str | None:
    """Return the VPC of an instance; None when there is no such instance."""
    reservations = get_backend("ec2")[account_id][region].reservations.values()
    return next((one.vpc_id for each in reservations for one in each.instances if one.id == instance_id), None)


def instances_of_vpc(account_id: str, region: str, vpc_id: str) -> frozenset[str]:
    instances = get_backend("ec2")[account_id][region].all_instances()
    return frozenset(each.id for each in instances if each.vpc_id == vpc_id)


def stack_exists(account_id: str, region: str, name: str) -> bool:
    return _stack(_stacks(account_id, region), name) is not None


def vpc_of_stack(account_id: str, region: str, name: str) -> str | None:
    """Return the first VPC of a stack; None when there is no such stack, or it has none."""
    stack = _stack(_stacks(account_id, region), name)
    created: list[Any] = [each for each in stack.stack_resources if each is not None] if stack else []
    found = next((each for each in created if getattr(each, "cf_resource_type", None) == "AWS::EC2::VPC"), None)
    return str(found.physical_resource_id) if found else None


def deploy_stack(account_id: str, region: str, name: str, template: Record, *, is_new: bool) -> str:
    """Create or update a stack; returns the id of its VPC.

    Raises:
        StackError: CloudFormation refused it.
    """
    stacks = _stacks(account_id, region)
    present = None if is_new else _stack(stacks, name)
    if not is_new and present is None:
        raise StackError(f"Stack {name} does not exist.")
    try:
        stack = (
            _update(stacks, present, json.dumps(template))
            if present
            else stacks.create_stack(name, json.dumps(template), {}, tags={})
        )
    except ServiceException as error:
        raise StackError(str(error)) from error
    vpc = stack.resource_map[VPC_ID]
    if vpc is None:
        raise StackError(f"Stack {name} has no VPC.")
    return str(vpc.physical_resource_id)


def _update(stacks: CloudFormationBackend, stack: Stack, template: str) -> Stack:
    """Update a stack. moto forgets resources that it cannot change, such as VPCs; here they stay as they are."""
    known = stack.resource_map._parsed_resources  # noqa: SLF001  (moto has no other way to tell)
    before = dict(known)
    stacks.update_stack(stack.name, template, None, [], None)
    known.update({name: each for name, each in before.items() if name in known and known[name] is None})
    return stack


def put_template(account_id: str, region: str, bucket: str, key: str, template: Record) -> str | None:
    """Write a template into a bucket of the account; returns its URL, or None when the account has no such bucket."""
    buckets = get_backend("s3")[account_id][get_partition(region)]
    if bucket not in buckets.buckets:
        return None
    buckets.put_object(bucket, key, json.dumps(template, indent=2).encode())
    return f"https://{bucket}.s3.{buckets.buckets[bucket].region_name}.amazonaws.com/{key}"


def _stacks(account_id: str, region: str) -> CloudFormationBackend:
    return get_backend("cloudformation")[account_id][region]


def _stack(stacks: CloudFormationBackend, name: str) -> Stack | None:
    return next((each for each in stacks.stacks.values() if each.name == name), None)
