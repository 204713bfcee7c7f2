"""The installed `drs-sync` command, and the environment in which it runs this checkout's code."""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["CHECKOUT", "COMMAND"]

COMMAND: Final = str(Path(sys.executable).with_name("drs-sync"))
CHECKOUT: Final = MappingProxyType({"PYTHONPATH": str(Path(__file__).parents[2])})
"""Environment variables of a process that imports from this checkout, whatever is installed."""
