"""Mutants of which instances are protected, and of what is said about those that could not be read."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="terminated-instance-is-listed",
        breaks=("G63",),
        file="service/protection/decision.py",
        before='_GONE: Final = frozenset({"shutting-down", "terminated"})',
        after="_GONE: Final = frozenset[str]()",
        tests=(
            "unit/protection/test_decision.py::*",
            "sync/test_coverage_sync.py::test_every_instance_is_protected_or_listed_or_left_out",
        ),
    ),
    Mutant(
        name="disconnected-server-protects",
        breaks=("G63",),
        file="service/protection/decision.py",
        before="_Claim(_ended(server.state), server.server_id)",
        after="_Claim(None, server.server_id)",
        tests=("unit/protection/test_decision.py::*",),
    ),
    Mutant(
        name="name-of-a-replication-server-hides-an-instance",
        breaks=("G63",),
        file="service/protection/decision.py",
        before="if not _LAUNCHED_BY_DRS & instance.tags.keys():",
        after="if not _LAUNCHED_BY_DRS & instance.tags.keys() and not instance.name.startswith('AWS Elastic'):",
        tests=("unit/protection/test_decision.py::*",),
    ),
    Mutant(
        name="owner-of-instances-is-not-read",
        breaks=("G63",),
        file="service/aws/parsers.py",
        before='OwnerId=("String", "ownerId"), ',
        after="",
        tests=("sync/test_coverage_sync.py::test_instances_of_other_accounts_are_left_out",),
    ),
    Mutant(
        name="unreadable-account-is-covered",
        breaks=("G64",),
        file="service/sync/coverage/sync.py",
        before="            self._failures[result.scope] = result.failure\n",
        after="            pass\n",
        tests=("sync/test_coverage_sync.py::test_an_account_that_denies_is_unknown_and_not_covered",),
    ),
    Mutant(
        name="summary-of-a-failed-read-is-known",
        breaks=("G64",),
        file="service/protection/summary.py",
        before="return self.as_of is not None and self.failed_since is None",
        after="return self.as_of is not None",
        tests=("unit/protection/test_summary.py::*", "sync/test_coverage_summaries.py::*"),
    ),
    Mutant(
        name="first-page-is-everything",
        breaks=("G64",),
        file="service/sync/coverage/scan.py",
        before="                self._has_page = True\n",
        after="                self._has_page = self.is_read = True\n",
        tests=("unit/sync/coverage/test_scan.py::*",),
    ),
    Mutant(
        name="unknown-servers-are-not-told",
        breaks=("G64",),
        file="service/sync/coverage/sync.py",
        before="        run.report.problem(*self._servers.problems)\n",
        after="",
        tests=("sync/test_coverage_sync.py::test_servers_that_are_not_known_make_the_answer_incomplete",),
    ),
    Mutant(
        name="old-summary-is-known",
        breaks=("G64",),
        file="service/protection/digest.py",
        before='return TOO_OLD if now - summary.as_of > max_age else ""',
        after='return ""',
        tests=("unit/protection/test_digest.py::*",),
    ),
    Mutant(
        name="unknown-coverage-needs-nobody",
        breaks=("G64",),
        file="service/queries/estate/coverage.py",
        before="[*_unknown(digest), *_unprotected(digest)]",
        after="[*_unprotected(digest)]",
        tests=("queries/test_estate.py::test_it_tells_which_instances_no_server_protects",),
    ),
    Mutant(
        name="inventory-names-accounts-to-enter",
        breaks=("G65",),
        file="service/sync/coverage/origin_access.py",
        before="return origin is not None and origin.account_id == account_id",
        after="return True",
        tests=("sync/test_coverage_sync.py::test_an_account_that_only_the_inventory_names_is_not_entered",),
    ),
)
