"""Records of the last runs: one item per operation in the topology table, so that readers see how syncs ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["RUNS_KEY", "run_item", "runs_of"]

RUNS_KEY: Final = "estate"
"""Partition key of the items that are about the estate as a whole."""
_PREFIX: Final = "run#"
_TEXTS: Final = ("operation", "status", "startedAt", "regionSource")
_NUMBERS: Final = ("durationSeconds", "serversSynced", "errorCount", "warningCount", "drsCalls", "apiCallsThrottled")
_SCOPES: Final = ("asked", "complete", "partial", "skipped", "failed")


def run_item(operation: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """Build the item of a run.

    Args:
        operation: under which its metrics are emitted; a run over requested scopes has one of its own.
        report: of the run.
    """
    errors = report["errors"]
    return {
        "pk": RUNS_KEY,
        "sk": f"{_PREFIX}{operation}",
        **{name: report[name] for name in ("status", "startedAt", "regionSource", "serversSynced", "drsCalls")},
        "operation": operation,
        "durationSeconds": round(report["durationSeconds"]),
        "apiCallsThrottled": report["apiCallsThrottled"],
        "scopes": {name: report["scopes"][name] for name in _SCOPES},
        "errorCount": len(errors),
        "warningCount": len(report["warnings"]),
        "firstError": str(errors[0].get("code", "")) if errors else "",
    }


def runs_of(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs that items of the partition record, the newest first; what is damaged is left out."""
    runs = [_run_of(item) for item in items if str(item.get("sk", "")).startswith(_PREFIX)]
    return sorted((each for each in runs if "startedAt" in each), key=lambda each: each["startedAt"], reverse=True)


def _run_of(item: Mapping[str, Any]) -> dict[str, Any]:
    scopes = item.get("scopes")
    return {
        **{name: item[name] for name in (*_TEXTS, "firstError") if isinstance(item.get(name), str)},
        **{name: item[name] for name in _NUMBERS if type(item.get(name)) is int},
        "scopes": {
            name: number
            for name, number in (scopes.items() if isinstance(scopes, Mapping) else ())
            if type(number) is int
        },
    }
