"""Fast update expressions: the same outcome as moto's own, whatever is updated and however it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from moto.core.exceptions import ServiceException
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.utilities import dynamo_to_dict

from service.sandbox.fast_expressions import FAST, MOTO

ITEM: Final[dict[str, Any]] = {
    "id": {"S": "a"},
    "count": {"N": "7"},
    "name": {"S": "é"},
    "tags": {"SS": ["x", "y"]},
    "parts": {"L": [{"M": {"n": {"N": "1"}}}, {"S": "two"}]},
    "deep": {"M": {"in": {"M": {"n": {"N": "2"}}}}},
}
VALUES: Final[dict[str, Any]] = {
    ":n": {"N": "3"},
    ":s": {"S": "text"},
    ":ss": {"SS": ["y", "z"]},
    ":l": {"L": [{"N": "9"}]},
    ":m": {"M": {"a": {"L": [{"BOOL": True}]}}},
}
NAMES: Final = {"#count": "count", "#new": "new", "#in": "in", "#n": "n"}
PATHS: Final = st.sampled_from(
    [
        *("count", "#count", "new", "#new", "name", "tags", "parts", "parts[0]", "parts[1]", "parts[5]", "parts[0].n"),
        *("deep", "deep.#in", "deep.#in.#n", "deep.missing.n", "missing.n", "id", "#unknown"),
    ]
)
OPERANDS: Final = st.sampled_from(
    [
        *(":n", ":s", ":ss", ":l", ":m", ":unknown", "count", "#count", "deep.#in.#n", "missing"),
        *("if_not_exists(new, :n)", "if_not_exists(count, :n)", "list_append(parts, :l)", "list_append(:l, parts)"),
        *("count + :n", "count - :n", ":n + :n", "if_not_exists(new, :n) + :n", "count + :s"),
    ]
)
ACTIONS: Final = st.one_of(
    st.tuples(st.just("SET"), st.builds("{} = {}".format, PATHS, OPERANDS)),
    st.tuples(st.just("REMOVE"), PATHS),
    st.tuples(st.just("ADD"), st.builds("{} {}".format, PATHS, st.sampled_from([":n", ":ss", ":s"]))),
    st.tuples(st.just("DELETE"), st.builds("{} {}".format, PATHS, st.sampled_from([":ss", ":s"]))),
)


def _expression(actions: list[tuple[str, str]], *, grouped: bool) -> str:
    if not grouped:
        return " ".join(f"{clause} {action}" for clause, action in actions)
    clauses: dict[str, list[str]] = {}
    for clause, action in actions:
        clauses.setdefault(clause, []).append(action)
    return " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items())


EXPRESSIONS: Final = st.builds(_expression, st.lists(ACTIONS, min_size=1, max_size=5), grouped=st.booleans())


@contextmanager
def _replaced(attributes: dict[tuple[type, str], Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for (kind, name), value in attributes.items():
            if value is None:
                patch.delattr(kind, name, raising=False)
            else:
                patch.setattr(kind, name, value, raising=False)
        yield


def _updated(backend: DynamoDBBackend, expression: str, *, is_new: bool) -> Any:
    """Update an item; return it as it is then, and what went wrong."""
    table = backend.get_table("things")
    table.items.clear()
    if not is_new:
        table.put_item(ITEM)
    try:
        backend.update_item("things", {"id": {"S": "a"}}, expression, dict(NAMES), dict(VALUES))
        problem = None
    except Exception as error:  # noqa: BLE001 - moto answers some mistakes with an exception of Python
        problem = type(error).__name__, getattr(error, "message", "") if isinstance(error, ServiceException) else ""
    found = table.get_item(DynamoType({"S": "a"}))
    return problem, None if found is None else dynamo_to_dict(found.attrs)


@pytest.fixture(scope="module")
def backend() -> Iterator[DynamoDBBackend]:
    backend = dynamodb_backends["123456780001"]["us-east-1"]
    backend.create_table(
        "things",
        schema=[{"AttributeName": "id", "KeyType": "HASH"}],
        throughput=None,
        attr=[{"AttributeName": "id", "AttributeType": "S"}],
        global_indexes=[],
        indexes=[],
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    yield backend
    backend.delete_table("things")


@given(expression=EXPRESSIONS, is_new=st.booleans())
@example(expression="SET count = :n, count = :n, count = :n", is_new=False)
@example(expression="SET count = :n SET count = :n", is_new=False)
@example(expression="REMOVE parts[0], parts[1] SET new = :m", is_new=False)
@example(expression="SET", is_new=False)
def test_fast_and_moto_updates_end_alike(backend: DynamoDBBackend, expression: str, *, is_new: bool) -> None:
    with _replaced(MOTO):
        expected = _updated(backend, expression, is_new=is_new)
    with _replaced(FAST):
        assert _updated(backend, expression, is_new=is_new) == expected
        assert _updated(backend, expression, is_new=is_new) == expected, "the parsed expression was changed"


WIRE: Final = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, st.text(max_size=5)),
        st.builds(lambda number: {"N": str(number)}, st.integers()),
        st.builds(lambda each: {"BOOL": each}, st.booleans()),
        st.just({"NULL": True}),
        st.builds(lambda texts: {"SS": texts}, st.lists(st.text(max_size=5), min_size=1, max_size=3)),
        st.builds(lambda numbers: {"NS": numbers}, st.lists(st.integers().map(str), min_size=1, max_size=3)),
        st.builds(lambda data: {"B": data}, st.binary(max_size=5)),
        st.builds(lambda data: {"BS": data}, st.lists(st.binary(max_size=5), min_size=1, max_size=3)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda values: {"L": values}, st.lists(inner, max_size=3)),
        st.builds(lambda values: {"M": values}, st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    ),
    max_leaves=8,
)


@given(value=WIRE)
def test_sizes_are_those_of_moto(value: dict[str, Any]) -> None:
    with _replaced(MOTO):
        expected = DynamoType(value).size()
    with _replaced(FAST):
        assert DynamoType(value).size() == expected


def test_every_replaced_attribute_is_one_of_moto() -> None:
    """A release of moto that renames one would leave the slow part in use."""
    assert FAST.keys() == MOTO.keys()
    assert [name for (_, name), value in MOTO.items() if value is None] == ["__deepcopy__"]
