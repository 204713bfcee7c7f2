"""Every operation of DRS where it is denied, by a policy of the organisation or of the role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model

from service.sandbox import start
from service.sandbox.faults import Faults
from tests.moto_drs.test_errors import CALLS, TAGS

OPERATIONS = {**{name: params for name, (params, _) in CALLS.items()}, **TAGS, "initialize_service": {}}


@pytest.fixture(scope="module")
def denied() -> Iterator[Callable[[bool], Any]]:
    """Factory of a DRS client that is denied everything, with or without a service control policy."""
    with start(servers=1) as sandbox:
        client = sandbox.client("drs")

        def deny(by_scp: bool) -> Any:  # noqa: FBT001 - parametrized
            denial = {"account_id": sandbox.fleet.accounts[0].account_id, "service": "drs", "scp": by_scp}
            sandbox.replace_faults(Faults.model_validate({"deny": [denial]}))
            return client

        yield deny


def test_the_table_has_every_operation() -> None:
    names = boto3.client("drs", region_name="us-west-2").meta.method_to_api_mapping
    assert {names[each] for each in OPERATIONS} == set(get_service_model("drs").operation_names)


@pytest.mark.parametrize("by_scp", [False, True])
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_denied_operation(denied: Callable[[bool], Any], operation: str, by_scp: bool) -> None:  # noqa: FBT001
    with pytest.raises(ClientError) as caught:
        getattr(denied(by_scp), operation)(**OPERATIONS[operation])
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert ("service control policy" in caught.value.response["Error"]["Message"]) == by_scp
