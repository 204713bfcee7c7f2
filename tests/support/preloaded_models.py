"""The SDK's descriptions of the services that commands call, loaded once for all forks of `tests.support.fork_server`.

A process loads each when it makes its first client: of a short command's CPU time that was a third.
"""

from __future__ import annotations

from typing import Final

from service.aws.credentials import _loader

__all__ = ["SERVICES"]

SERVICES: Final = ("drs", "dynamodb", "ec2", "sts")

for _service in SERVICES:
    for _kind in ("service-2", "endpoint-rule-set-1"):
        _loader(None).load_service_model(_service, _kind)
for _name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
    _loader(None).load_data(_name)
