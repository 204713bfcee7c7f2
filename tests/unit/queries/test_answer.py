"""Answers: whether the inventory or DRS was read, as the log, the metrics and the body say it."""

from __future__ import annotations

import logging
from typing import Final

import pytest

from service.models import Scope
from service.queries.answer import build_answer
from service.queries.completeness import Completeness
from service.queries.read_result import DataSource, ReadResult, ScopeReadResult

KNOWN: Final = Completeness({})
INVENTORY, DRS, STALE, NONE = DataSource.INVENTORY, DataSource.DRS, DataSource.STALE, DataSource.NONE


def read_from(*sources: DataSource) -> ReadResult:
    """Return the result of reading a scope from each of these sources, with one server each."""
    scopes = (Scope(f"{number:012d}", "us-west-2") for number in range(len(sources)))
    return ReadResult(tuple(ScopeReadResult(scope, each, [{}]) for scope, each in zip(scopes, sources, strict=True)))


@pytest.mark.parametrize(
    ("sources", "source", "counts", "metrics"),
    [
        ((INVENTORY,), "inventory_database", {"inventory_database": 1}, (1, 0)),
        ((DRS, DRS), "drs_api", {"drs_api": 2}, (0, 1)),
        ((INVENTORY, DRS), "mixed", {"inventory_database": 1, "drs_api": 1}, (1, 1)),
        ((STALE,), "inventory_database", {"inventory_stale": 1}, (0, 1)),
        ((NONE,), "drs_api", {"none": 1}, (0, 1)),
        ((), "inventory_database", {}, (1, 0)),
    ],
)
def test_the_log_and_the_metrics_say_where_the_servers_came_from(
    sources: tuple[DataSource, ...],
    source: str,
    counts: dict[str, int],
    metrics: tuple[int, int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = read_from(*sources)
    with caplog.at_level(logging.INFO, logger="service.queries"):
        answer = build_answer("q", {}, result, KNOWN, is_empty=False)
    (line,) = [vars(record) for record in caplog.records if record.message == "query answered"]
    assert (line["operation"], line["source"], line["scopes"]) == ("q", source, counts)
    assert (line["regions"], line["servers"]) == (min(1, len(sources)), len(sources))
    assert (answer.hits, answer.misses) == metrics
