"""Answers of an odd structure, to every operation in every sync and query: nothing ends a run, nothing is lost.

`python -m tests.odd --answers 100000` plays more of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from service.aws import parsers
from service.aws.operations import READ_WRITE_OPERATIONS
from tests.odd.jobs import ACCOUNTS, CONTROLS, JOBS
from tests.odd.mutations import KINDS, Mutation, applied, paths_of
from tests.odd.runs import play_stored, rounds, systematic

ANSWERS_EACH = (100, pytest.param(500, marks=pytest.mark.deep))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the log of thousands of odd answers out of the test's own; what it must not contain, each run checks."""
    logger = logging.getLogger("service")
    logger.propagate = False
    yield
    logger.propagate = True


@pytest.mark.parametrize("wanted", ANSWERS_EACH)
@pytest.mark.parametrize("name", JOBS)
def test_an_odd_answer_costs_only_its_scope(name: str, wanted: int) -> None:
    answers, wanted = 0, wanted if JOBS[name].operations else wanted // 20
    for outcome in rounds(name, seed=0):
        assert outcome.broken == []
        answers += outcome.answers
        if answers >= wanted:
            return


@pytest.mark.parametrize("name", [name for name, job in JOBS.items() if job.operations and not job.starts_empty])
def test_an_attribute_of_another_type_in_a_table_ends_nothing(name: str) -> None:
    for seed in range(2):
        assert play_stored(name, seed).broken == []


def test_an_arn_of_a_list_that_is_none_holds_back_its_pair_alone() -> None:
    """A call is made with it, so whatever it has become must not be taken for a request that was mistaken."""
    odd = [Mutation(("items", 0, "arn"), kind) for kind in KINDS]
    for start in range(0, len(odd), ACCOUNTS - CONTROLS):
        outcome = systematic("staging", "drs", "ListExtensibleSourceServers", odd[start : start + ACCOUNTS - CONTROLS])
        assert (outcome.broken, outcome.answers > 0) == ([], True)


def test_every_operation_that_can_have_an_odd_answer_is_tried() -> None:
    tried = {each for job in JOBS.values() for each in (*job.operations, *job.of_hub)}
    declared = {(service, each) for service, operations in READ_WRITE_OPERATIONS.items() for each in operations}
    # The response of TagResource has no members; of Invoke only the status is read. Odd ones of PutEvents are in
    # tests/sync/test_events.py, odd reasons of a cancelled transaction in tests/aws/test_transactions.py.
    assert declared - tried == {("lambda", "Invoke"), ("events", "PutEvents"), ("dynamodb", "TransactWriteItems")}


def test_the_promises_can_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check of the structure, the same answers break them."""
    monkeypatch.setattr(parsers, "set_odd_records_aside", lambda _, document: (document, {}))
    odd = Mutation(("ebsEncryption",), "as 5")
    assert systematic("first inventory", "drs", "GetReplicationConfiguration", [odd]).broken


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutation_changes_its_member_alone(kind: str) -> None:
    answer: Any = {"items": [{"arn": "a", "tags": {"b": "c"}}], "nextToken": "d"}
    for path in paths_of(answer):
        changed = applied(answer, Mutation(path, kind))
        others = [each for each in paths_of(answer) if each != path[: len(each)] and path != each[: len(path)]]
        assert all(_at(changed, each) == _at(answer, each) for each in others)
    assert answer == {"items": [{"arn": "a", "tags": {"b": "c"}}], "nextToken": "d"}


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value
