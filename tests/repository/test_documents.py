"""Documentation pages list exactly the settings, metrics and tests that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from service.error_classes import ERROR_CLASSES
from service.metrics import METRICS
from service.partitions import PARTITIONS
from service.regions.selection import RegionSource
from service.settings import Settings
from service.sync.coverage import scan as coverage
from service.sync.inventory import sync as inventory
from service.sync.staging import sync as staging
from service.sync.tags.results import TagCounts
from tests.simulation.planted import BUGS

DOCS = Path(__file__).parents[2] / "docs"


def settings_page() -> str:
    """Write docs/settings.md from the model; `python tests/repository/test_documents.py` brings the page up to date."""
    lines = [
        "# Settings",
        "",
        "Read from the environment once, when the process starts. AWS's own variables (`AWS_REGION`, `AWS_PROFILE`,",
        "`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`,",
        "`AWS_CA_BUNDLE`, ...) are honoured: the SDK reads them. Those without a value count as not set.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "none" if default in ("", ()) else f"`{default}`"
        if name == "drs_regions":
            counts = ", ".join(f"{len(each.drs_regions)} in `{each.name}`" for each in PARTITIONS if each.drs_regions)
            shown = f"every region with DRS in the hub's partition: {counts}"
        lines.append(f"| `{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Write docs/errors.md from the table of error classes."""
    lines = [
        "# Errors",
        "",
        "Causes and fixes of what can go wrong, as reports, answers and `drs-sync doctor` tell them. Each entry of",
        "`errors`, `warnings` and `unknown` about a failed call has the class (`errorClass`), the cause (`cause`) and",
        "the fix (`advice`), with the account, role, table and action of the call; `message` is the text of AWS. The",
        "class comes from the error code and AWS's text, since only the text tells which kind of policy denies a call.",
        "",
        "An attempt is repeated, with backoff, where the last column says so: *once* where a second attempt works at",
        "once or never; *slower* where AWS asks for fewer calls, which also lowers the rate.",
        "",
        "| class | cause | fix | status | repeated |",
        "|---|---|---|---|---|",
    ]
    for each in ERROR_CLASSES.values():
        repeated = "slower" if each.throttle else "once" if each.retry_once else "yes" if each.retry else ""
        cells = (f"`{each.name}`", each.cause_with({}), each.fix_with({}), f"`{each.status}`", repeated)
        lines.append(f"| {' | '.join(cell.replace('*', '&#42;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def test_the_errors_page_is_what_the_table_says() -> None:
    assert (DOCS / "errors.md").read_text() == errors_page()


def test_the_settings_page_is_what_the_model_says() -> None:
    assert (DOCS / "settings.md").read_text() == settings_page()


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_metrics_page_names_every_metric_and_no_other() -> None:
    page = (DOCS / "report.md").read_text().split("## Metrics")[1]
    listed = {
        name
        for row in re.findall(r"^\| ([^|]+) \| (?:Count|Percent|Seconds) \|", page, re.MULTILINE)
        for name in row.split(", ")
    }
    assert listed == set(METRICS)


def test_the_report_page_names_what_came_of_servers_in_each_sync() -> None:
    page = (DOCS / "report.md").read_text()
    counted = {*inventory.COUNTS, *staging.COUNTS, *TagCounts().by_name, *coverage.COUNTS}
    assert {name for name in counted if f"`{name}`" not in page} == set()
    assert {source for source in RegionSource if f"`{source}`" not in page} == set()


def test_every_test_that_the_requirements_page_names_is_there() -> None:
    tests = DOCS.parent / "tests"
    named = re.findall(r"`([\w/]+\.py)::(\w+|\*)`", (DOCS / "requirements.md").read_text())
    assert len(named) > 60
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (tests / path).is_file() or (name != "*" and f"def {name}(" not in (tests / path).read_text())
    ]
    assert missing == []


if __name__ == "__main__":
    (DOCS / "settings.md").write_text(settings_page())
    (DOCS / "errors.md").write_text(errors_page())


def test_every_test_that_the_guarantees_name_is_there() -> None:
    page, tests = (DOCS / "guarantees.md").read_text(), DOCS.parent / "tests"
    named = re.findall(r"`([\w/]+\.py)::(\w+|\*)`", page)
    assert len(named) > 35
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (tests / path).is_file() or (name != "*" and f"def {name}(" not in (tests / path).read_text())
    ]
    assert missing == []


def test_the_guarantees_list_every_planted_bug() -> None:
    section = (DOCS / "guarantees.md").read_text().split("## Bugs that are planted")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| ([^|]+?) \| (?!guarantee)", section, re.MULTILINE)) - {"---"} == set(BUGS)
