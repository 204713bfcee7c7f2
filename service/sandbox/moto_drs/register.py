"""Makes a stock moto server serve DRS. The one file here that has no place upstream, where the index is generated."""

from __future__ import annotations

import importlib
import re
import sys

from moto import backend_index

from . import models

_PATTERN = re.compile(r"https?://drs(-fips)?\.(.+)\.(amazonaws\.com|api\.aws)")


def register() -> None:
    """Register the backend under the name that moto looks up: `moto.drs`. Doing it again changes nothing."""
    if "moto.drs" in sys.modules:
        return
    package = importlib.import_module(models.__name__.rpartition(".")[0])
    sys.modules["moto.drs"] = package
    sys.modules["moto.drs.models"] = models
    backend_index.backend_url_patterns.append(("drs", _PATTERN))
