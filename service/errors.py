"""Exceptions of this package. What an error means, its cause and its fix are in `service/error_classes.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from service.error_classes import ERROR_CLASSES, ErrorClass
from service.error_codes import classify, facts_of
from service.models import Call, Problem, Scope
from service.models import RegionStatus as S

__all__ = [
    "AwsError",
    "BusyError",
    "CancellationReason",
    "ConfigurationError",
    "DeadlineExceededError",
    "DrsSyncError",
    "RefusalError",
    "UnknownScopeError",
    "as_class",
    "problem_of",
    "unconfirmed_empty",
]


class DrsSyncError(Exception):
    """Base class of all errors that this package raises on purpose."""


class ConfigurationError(DrsSyncError):
    """A setting, argument or table schema is wrong; the message says how to fix it."""


class UnknownScopeError(ConfigurationError):
    """A requested account or region is not known; the message says what is. `details`: members of an API response."""

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = dict(details or {})


class DeadlineExceededError(DrsSyncError):
    """The deadline passed before a run knew its accounts and regions. Nothing was scanned or written."""


class RefusalError(DrsSyncError):
    """A request that is rejected: invalid input, something that does not exist, or a conflict. Nothing was changed.

    Args:
        code: error code that the platform's callers know; empty where they only ever got the text.
        message: what is wrong and how to fix it.
        status: HTTP status of an API response; direct invocations do not show it.
        details: further members of the response.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = dict(details or {})


class BusyError(RefusalError):
    """Another run does it already. Nothing is wrong with the request, which can be repeated later."""


class CancellationReason(NamedTuple):
    """Why DynamoDB did not carry out one write of a transaction; an empty code where the write itself was fine."""

    code: str = ""
    message: str = ""


class AwsError(DrsSyncError):
    """An AWS call that failed in every attempt. Its texts never contain credentials.

    Args:
        code: error code of AWS, or one of our own.
        message: text of AWS, or of the SDK.
        call: the call.
        http_status: 0 if there was no response.
        retry_after_s: Retry-After of the response.
        advice: replaces the fix of the error class.
        error_class: the class; by default what code, text and HTTP status stand for.
        facts: what the texts of the class can name (see `service/error_classes.py`), beside what call and text tell.
        reasons: of a cancelled transaction, one for each of its writes.
    """

    def __init__(
        self,
        code: str,
        message: str,
        call: Call,
        *,
        http_status: int = 0,
        retry_after_s: float | None = None,
        advice: str = "",
        error_class: ErrorClass | None = None,
        facts: Mapping[str, str] | None = None,
        reasons: tuple[CancellationReason, ...] = (),
    ) -> None:
        super().__init__(f"{call.service}:{call.operation} in {call.region}: {code}: {message}")
        self.code = code
        self.message = message
        self.call = call
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.advice = advice
        self.error_class = error_class or classify(
            code, message=message, http_status=http_status, service=call.service, operation=call.operation
        )
        self.facts = dict(facts or {})
        self.reasons = reasons

    def add_facts(self, facts: Mapping[str, str]) -> None:
        """Add what the caller knows about the call; what is there already stays."""
        self.facts = {**facts, **self.facts}

    def about(self, call: Call) -> AwsError:
        """Return the same error of another call, such as that of the account whose role could not be assumed."""
        return AwsError(
            self.code,
            self.message,
            call,
            http_status=self.http_status,
            retry_after_s=self.retry_after_s,
            advice=self.advice,
            error_class=self.error_class,
            facts=self.facts,
            reasons=self.reasons,
        )

    @property
    def cause(self) -> str:
        """What is wrong, in one sentence, without the text of AWS."""
        return self.error_class.cause_with(self._facts())

    @property
    def explanation(self) -> str:
        """The cause, then the call and the text of AWS, unless that text is the cause."""
        cause = self.cause
        return cause if cause == self.message else f"{cause}: {str(self).rstrip('.')}"

    @property
    def fix(self) -> str:
        """How to fix it."""
        return self.advice or self.error_class.fix_with(self._facts())

    def _facts(self) -> dict[str, str]:
        service, operation, account_id, _ = self.call
        return {**facts_of(service, operation, account_id, self.message), **self.facts}

    @property
    def is_drs_uninitialized(self) -> bool:
        """Whether DRS answered that it is not initialised in the region: it has no servers there.

        One such answer is not enough where servers are known (see `unconfirmed_empty` of the engine).
        """
        return self.call.service == "drs" and self.error_class.status is S.NOT_INITIALIZED

    @property
    def problem(self) -> Problem:
        """The error as reports and tables show it."""
        return Problem(
            code=self.code,
            message=self.message,
            status=self.error_class.status,
            service=self.call.service,
            operation=self.call.operation,
            account_id=self.call.account_id,
            region=self.call.region,
            advice=self.fix,
            cause=self.cause,
            error_class=self.error_class.name,
        )

    def problem_as(self, name: str, **facts: str) -> Problem:
        """Return the problem of another class, where the caller knows more than code and text tell.

        Args:
            name: name of the class.
            facts: what its texts can name.
        """
        known = self.about(self.call)
        known.error_class, known.advice = ERROR_CLASSES[name], ""
        known.facts |= facts
        return replace(known.problem, status=self.error_class.status)


def as_class(problem: Problem, name: str) -> Problem:
    """Return a problem with the status, the cause and the fix of an error class."""
    error_class = ERROR_CLASSES[name]
    facts = facts_of(problem.service, problem.operation, problem.account_id, problem.message)
    return replace(
        problem,
        status=error_class.status,
        advice=error_class.fix_with(facts),
        cause=error_class.cause_with(facts),
        error_class=name,
    )


def problem_of(name: str, code: str, message: str, scope: Scope, *, service: str = "", operation: str = "") -> Problem:
    """Return a problem that no response of AWS stands for, with the cause and the fix of an error class.

    Args:
        name: name of the class.
        code: its error code.
        message: what was not done.
        scope: its account and region, empty where there is none.
        service: the service that was called.
        operation: the operation that was called.
    """
    return as_class(Problem(code, message, S.ERROR, service, operation, scope.account_id, scope.region), name)


def unconfirmed_empty(error: AwsError, scope: Scope, servers: int) -> Problem:
    """Make the problem of a scope whose DRS claims that it was never initialised, although servers are known there.

    Args:
        error: the answer of DRS.
        scope: the scope.
        servers: how many servers are known there.
    """
    return replace(
        error.problem_as("UnconfirmedEmpty"),
        account_id=scope.account_id,
        region=scope.region,
        message=f"{error.message} But {servers} servers are known there: they are kept until a later inventory sync is "
        "told the same",
        status=S.ERROR,
    )
