"""Lease and checkpoints of the tag sync, on dynalite."""

from tests.sync.test_tag_state import *  # noqa: F403 - the same tests, with the sandbox of this folder
