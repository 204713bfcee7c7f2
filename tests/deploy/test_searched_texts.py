"""Texts that others search: log messages in dashboard queries and the runbook, and phrases that the UI searches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.deploy import templates

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"

# Log messages that operators search by hand, beside those that templates and the runbook name.
LOG_MESSAGES = (
    "sync finished",
    "region looked at",
    "regions chosen",
    "operation not carried out",
    "operation failed",
    "query answered",
)
# The existing platform's metric filters count log lines that contain this.
ACCESS_DENIED = "AccessDenied"
# The platform's UI takes the first of these whose code or phrase occurs in `message`; case matters.
UI_PHRASES = (
    ("NOT_INITIALIZED", "not initialized"),
    ("IAM_PERMISSION_DENIED", "not authorized"),
    ("SCP_DENIED", "service control policy"),
    ("REGION_NOT_ENABLED", "not enabled"),
    ("REGION_NOT_OPTED_IN", "not opted"),
    ("THROTTLED", "rate limit"),
    ("ENDPOINT_UNREACHABLE", "unreachable"),
)
_LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# In CloudWatch Logs Insights: `filter message = 'text'`, `filter @message like 'text'` or `like /text/`.
_INSIGHTS = re.compile(r"\bmessage\s*(?:=|like)\s*['/\"]([^'/\"]+)['/\"]")
_FIELDS = re.compile(r"\b(?:latest|sum|max|min|avg|count)\((\w+)\)|\bby (\w+)|\band (\w+)")
# In the runbook: `--filter-pattern '"text"'`, "log lines `text`", "a `text` line in the function's log".
_RUNBOOK = re.compile(r"""--filter-pattern\s+'"([^"]+)"'|log\s+lines?\s+`([^`]+)`|`([^`]+)`\s+line\s+in\s+the""")


@cache
def trees() -> dict[str, ast.Module]:
    """Parse every module that is deployed, by its path."""
    paths = (path.relative_to(ROOT).as_posix() for path in (ROOT / "service").rglob("*.py"))
    wanted = sorted(path for path in paths if not path.startswith("service/sandbox/"))
    return {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in wanted}


def strings(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the string constants among nodes."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def logged() -> set[str]:
    """Return the messages of all logging calls, as format strings."""
    calls = (node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.Call))
    logging_calls = (call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in _LEVELS)
    return {text for call in logging_calls if "log" in ast.unparse(call.func) for text in strings(call.args)}


def in_templates() -> set[str]:
    """Return the log messages that dashboards and metric filters search."""
    messages: set[str] = set()
    for name in templates.names():
        messages.update(_INSIGHTS.findall(templates.text(name)))
        for _, properties in templates.of_type(templates.template(name), "AWS::Logs::MetricFilter"):
            messages.update(re.findall(r'"([^"]+)"', properties["FilterPattern"]))
    return messages


def in_runbook() -> set[str]:
    """Return the log messages that docs/operations.md searches."""
    groups = _RUNBOOK.findall(OPERATIONS.read_text(encoding="utf-8"))
    return {" ".join(text.split()) for group in groups for text in group if text}


def refusals() -> dict[str, str]:
    """Return the message for each region status under which DRS cannot be read, by the status's name."""
    messages: dict[str, str] = {}
    for path, tree in trees().items():
        if not path.startswith("service/queries/"):
            continue
        for table in (node for node in ast.walk(tree) if isinstance(node, ast.Dict)):
            for key, value in zip(table.keys, table.values, strict=True):
                if isinstance(key, ast.Attribute) and ast.unparse(key.value) == "RegionStatus":
                    messages.update((key.attr, text) for text in strings(ast.walk(value)) if "{region}" in text)
    return messages


def test_both_sources_of_searches_are_read() -> None:
    assert in_templates() >= {"sync finished", "region looked at"}
    assert in_runbook() >= {"sync finished", "region looked at"}


@pytest.mark.parametrize("message", sorted({*in_templates(), *in_runbook(), *LOG_MESSAGES}))
def test_every_searched_message_is_logged(message: str) -> None:
    assert any(text == message or text.startswith(f"{message}: ") for text in logged())


def test_every_field_of_a_dashboard_query_is_a_member_in_the_code() -> None:
    queries = re.findall(r'"query": "([^"]+)"', templates.text("monitoring.yaml"))
    fields = {name for query in queries for group in _FIELDS.findall(query) for name in group if name}
    for query in queries:
        for clause in re.findall(r"\| fields ([^|]+)", query):
            fields |= {name.strip().partition(".")[0] for name in clause.split(",")}
    assert fields >= {"region", "servers", "scopesFailed", "errorCount", "firstErrors"}
    assert fields <= {text for tree in trees().values() for text in strings(ast.walk(tree))}


def test_the_code_of_denied_calls_contains_what_the_metric_filters_count() -> None:
    codes = set(strings(ast.walk(trees()["service/error_codes.py"])))
    assert {code for code in codes if code.startswith(ACCESS_DENIED)} == {"AccessDenied", "AccessDeniedException"}


@pytest.mark.parametrize(("status", "phrase"), UI_PHRASES)
def test_a_message_has_the_phrase_of_its_status_and_none_that_comes_first(status: str, phrase: str) -> None:
    message = refusals()[status]
    assert next((pair for pair in UI_PHRASES if pair[0] in message or pair[1] in message), None) == (status, phrase)
