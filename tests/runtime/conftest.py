"""The scripted AWS of the acceptance tests: it can hold a call until a test lets it go."""

from __future__ import annotations

from tests.acceptance.conftest import aws, world

__all__ = ["aws", "world"]
