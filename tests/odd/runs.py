"""Runs that get odd answers: nothing ends a run, and an odd answer costs only its scope."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final

from service.errors import DrsSyncError
from service.models import Call, Scope
from tests.odd.aws import REGION, OddAws, Spoil
from tests.odd.jobs import ACCOUNTS, CONTROLS, JOBS, Outcome, answering, synced
from tests.odd.mutations import Mutation, drawn, mutations_of, spoilt_item
from tests.simulation.aws import HUB

__all__ = ["all_mutations", "play", "play_stored", "rounds", "systematic"]

_ERRORS: Final = (
    {"__type": "ConditionalCheckFailedException", "message": "no", "Item": {"pk": {"S": "x"}}},
    {"__type": "ValidationException", "code": "ValidationException", "fieldList": [{"name": "a", "message": "b"}]},
    {"__type": "com.x#ThrottlingException", "message": "slow down", "code": "x", "retryAfterSeconds": "7"},
    {"__type": "AccessDeniedException", "Message": "no", "fieldList": [{"name": "a", "message": "b"}]},
    {"Errors": [{"Code": "RequestLimitExceeded", "Message": "x"}], "Error": {"Code": "Throttling", "Message": "no"}},
)


class _Traces(logging.Handler):
    """Collects the traces that are logged: each is an exception that nobody expected."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record with a trace."""
        if record.exc_info and record.exc_info[0]:
            self.found.append(logging.Formatter().formatException(record.exc_info))


@contextmanager
def _traces() -> Iterator[list[str]]:
    handler, logger = _Traces(), logging.getLogger("service")
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)


def play(name: str, seed: int) -> Outcome:
    """Play one run: the answers of most accounts are odd, or one answer of the hub is, as the seed says."""
    job, rng = JOBS[name], random.Random(f"{name} {seed}")  # noqa: S311 - not a secret
    aws = OddAws(ACCOUNTS) if job.starts_empty else synced()
    is_hub = not job.operations or rng.random() < len(job.of_hub) / 40
    if is_hub:
        aws.spoils = [_drawn_spoil(rng, rng.choice(job.of_hub), nth=rng.choice([None, *range(8)]))]
    else:
        aws.spoils = [_drawn_spoil(rng, rng.choice(job.operations), account) for account in aws.targets[CONTROLS:]]
    return _played(name, aws, is_hub=is_hub, where=f"{name} {seed}")


def _drawn_spoil(rng: random.Random, target: tuple[str, str], account: str = "", nth: int | None = None) -> Spoil:
    is_error = rng.random() < 0.1
    status = rng.choice([400, 403, 429, 500, 503]) if is_error else 200
    return Spoil(*target, lambda answer: drawn(answer, rng), account, nth, status, rng.choice(_ERRORS))


def play_stored(name: str, seed: int) -> Outcome:
    """Play one run whose tables hold attributes of another type, as another writer may have left them."""
    rng = random.Random(f"stored {name} {seed}")  # noqa: S311 - not a secret
    aws, changed = synced(), list[str]()
    aws.is_spoilt = True
    for table in aws.dynamodb.tables.values():
        keys = {table.keys.hash, table.keys.range, *table.keys.indexes.values()}  # DynamoDB holds their types
        for key, item in table.items.items():
            names = sorted(item.keys() - keys)
            if names and rng.random() < 0.4:
                attribute = rng.choice(names)
                table.items[key], path = spoilt_item(item, attribute, rng)
                changed.append(f"{table.name} {path}")
    outcome = _played(name, aws, is_hub=True, where=f"{name} {seed}, stored: {changed}")
    outcome.answers = len(changed)
    return outcome


def systematic(name: str, service: str, operation: str, mutations: Sequence[Mutation]) -> Outcome:
    """Play one run in which each account but the good ones has one of these mutations."""
    job = JOBS[name]
    aws = OddAws(ACCOUNTS) if job.starts_empty else synced()
    accounts = aws.targets[CONTROLS:]
    aws.spoils = [Spoil(service, operation, each, account) for each, account in zip(mutations, accounts, strict=False)]
    return _played(name, aws, is_hub=False, where=f"{name}, {operation}: {', '.join(map(str, mutations))}")


def _played(name: str, aws: OddAws, *, is_hub: bool, where: str) -> Outcome:
    outcome = Outcome()
    with answering(aws), _traces() as traces:
        try:
            JOBS[name].work(aws, outcome, is_hub=is_hub)
        except DrsSyncError:
            if not is_hub:
                outcome.broken.append("an odd answer about one account ended the run")
        except Exception as error:
            shown = [
                f"{spoil.operation} of {spoil.account or HUB}: {each}" for spoil in aws.spoils for each in spoil.applied
            ]
            raise AssertionError(f"{where}: {shown}") from error
    outcome.broken += [f"a trace was logged: {each}" for each in traces]
    outcome.answers = sum(len(spoil.applied) for spoil in aws.spoils)
    outcome.broken = [f"{where}: {each}" for each in outcome.broken]
    return outcome


@cache
def all_mutations(service: str, operation: str) -> tuple[Mutation, ...]:
    """Return every mutation of the answer of an operation about one account."""
    aws = OddAws(1)
    account = aws.targets[0]
    server = aws.servers(account)[0]
    waiting = list(aws.drs[Scope(aws.staging_of[account], REGION)].servers.values())[-1]
    params = {
        "RoleArn": f"arn:aws:iam::{account}:role/x",
        "ExternalId": "e" * 32,
        "Filters": [{"Values": [server["sourceProperties"]["identificationHints"]["awsInstanceID"]]}],
        "filters": {"sourceServerIDs": [server["sourceServerID"]]} if operation == "DescribeRecoveryInstances" else {},
        "sourceServerID": server["sourceServerID"],
        "sourceServerArn": waiting["arn"],
        "stagingAccountID": aws.staging_of[account],
        "resourceArn": server["arn"],
        "copyTags": True,
        "tags": {},
    }
    return tuple(mutations_of(aws.answer(Call(service, operation, account, REGION), params)))


def rounds(name: str, seed: int) -> Iterator[Outcome]:
    """Play runs of a job for ever: every member of every answer in turn, and between them what the seed draws."""
    job, rng = JOBS[name], random.Random(f"{name} {seed}")  # noqa: S311 - not a secret
    size, chunks = ACCOUNTS - CONTROLS, list[tuple[str, str, list[Mutation]]]()
    for number in itertools.count(seed * 1_000_000):
        yield play(name, number)
        if not chunks:
            for service, operation in job.operations:
                mutations = [*all_mutations(service, operation)]
                rng.shuffle(mutations)
                parts = range(0, len(mutations), size)
                chunks += [(service, operation, mutations[start : start + size]) for start in parts]
            rng.shuffle(chunks)
        if chunks:
            yield systematic(name, *chunks.pop())
