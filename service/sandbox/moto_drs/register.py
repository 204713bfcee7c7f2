"""Makes a stock moto server serve DRS. The one file here that has no place upstream, where the index is generated."""

from __future__ import annotations

import importlib
import re
import sys

from moto import backend_index

from . import models, urls

_NAME = "moto.drs"


def register() -> None:
    """Register the backend under the name by which moto imports it, `moto.drs`. Doing it again changes nothing."""
    if _NAME in sys.modules:
        return
    package = importlib.import_module(models.__name__.rpartition(".")[0])
    sys.modules.update({_NAME: package, f"{_NAME}.models": models, f"{_NAME}.urls": urls})
    backend_index.backend_url_patterns.extend(("drs", re.compile(base)) for base in urls.url_bases)
