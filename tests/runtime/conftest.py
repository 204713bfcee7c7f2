"""Fixtures of the acceptance tests: a scripted AWS that can delay a call until the test releases it."""

from __future__ import annotations

from tests.acceptance.conftest import aws, world

__all__ = ["aws", "world"]
