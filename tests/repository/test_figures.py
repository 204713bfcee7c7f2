"""Figures in the pages about the estate are those of the code: limits, defaults, ages and counts."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from service.estate import changes, estate_changes
from service.handlers import request_models
from service.pages import report
from service.protection import digest, summary, table
from service.queries.estate import attention
from service.settings import Settings
from service.sync.inventory import outbox
from service.web import data, listing
from tests.deploy.templates import template

ROOT: Final = Path(__file__).parents[2]
WORDS: Final = {2: "two", 3: "three", 7: "seven", 10: "ten", 50: "fifty", 60: "sixty", 1000: "thousand"}
SETTINGS: Final = Settings()
DAY: Final = timedelta(days=1)


def word(number: float) -> str:
    return WORDS[round(number)]


def minutes(seconds: float) -> str:
    return f"{seconds / 60:g}"


CLAIM_S: Final = SETTINGS.scope_deadline_seconds + outbox._CLAIM_S
FIGURES: Final[list[tuple[str, str]]] = [
    ("README.md", f"older than {minutes(SETTINGS.inventory_fresh_seconds)} minutes"),
    ("docs/estate.md", f"objective {minutes(SETTINGS.lag_objective_seconds)} min\n"),
    ("docs/estate.md", f"in the last {SETTINGS.drill_max_age_days} days"),
    ("docs/estate.md", f"without a complete scan for {word(attention._OLD_RUNS)} sync intervals"),
    ("docs/estate.md", f"could not be listed, or not for {word(digest.MAX_AGE / DAY)} days"),
    ("docs/events.md", f"more than {changes.MAX_SINGLE} servers (or {changes._MAX_BYTES // 1000} KB of changes)"),
    ("docs/events.md", f"more than {changes.MAX_SINGLE} accounts became near full"),
    ("docs/events.md", f"with the first {word(estate_changes._MAX_EXAMPLES)} scopes"),
    ("docs/events.md", f"after {word(CLAIM_S / 60)} minutes at the earliest"),
    ("docs/events.md", {DAY: "each run puts it again, for a day,"}[outbox._KEPT]),
    ("docs/coverage.md", f"The response\nlists the first {word(request_models._MAX_LISTED)} instances"),
    ("docs/coverage.md", f"the counts, and the first {word(summary.MAX_NAMED)} instances"),
    ("docs/coverage.md", {7 * DAY: "nobody has refreshed for a week"}[table._KEPT]),
    ("docs/coverage.md", f"whose item is older\nthan {word(digest.MAX_AGE / DAY)} days"),
    ("docs/pages.md", f"for up to {report.MAX_OTHER_RUNBOOKS} that are"),
    ("docs/pages.md", f"{listing.PAGE_SIZE} servers of a page"),
    ("docs/pages.md", f"may be {word(data._DOCUMENT_S)} seconds old, and lists with a search or an order a minute"),
    ("docs/operations.md", f"of the {SETTINGS.replicating_servers_per_region} servers that DRS allows"),
    ("docs/operations.md", f"replicates {SETTINGS.staging_near_full_percent:g} % or more"),
]


@pytest.mark.parametrize(("page", "text"), FIGURES)
def test_a_page_has_the_figure_of_the_code(page: str, text: str) -> None:
    assert " ".join(text.split()) in " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_the_minute_of_the_pages_is_one() -> None:
    assert data._ROWS_S == 60


def test_objectives_have_the_defaults_of_the_settings() -> None:
    page = (ROOT / "docs" / "estate.md").read_text(encoding="utf-8").split("## Objectives")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| `?([^`|]+?)`? \|", page, re.MULTILINE)
    assert len(rows) >= 5
    defaults: dict[str, Any] = Settings.model_fields
    assert dict(rows) == {
        name: f"{default:g}" if isinstance(default := defaults[name.lower()].default, float) else str(default)
        for name, _ in rows
    }


def test_alarms_go_off_where_the_settings_say_by_default() -> None:
    resources = template("monitoring.yaml")["Resources"]
    assert resources["StagingNearFullAlarm"]["Properties"]["Threshold"] == SETTINGS.staging_near_full_percent
    assert resources["OldestScanAlarm"]["Properties"]["Threshold"] == 3600
    assert "was not scanned completely for an hour" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
