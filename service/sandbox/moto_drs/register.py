"""Registration of the DRS backend in an unmodified moto. Upstream moto would not need it: its index is generated."""

from __future__ import annotations

import importlib
import re
import sys

from moto import backend_index

from . import models, urls

_NAME = "moto.drs"


def register() -> None:
    """Register the backend as `moto.drs`, the name by which moto imports it. Idempotent."""
    if _NAME in sys.modules:
        return
    package = importlib.import_module(models.__name__.rpartition(".")[0])
    sys.modules.update({_NAME: package, f"{_NAME}.models": models, f"{_NAME}.urls": urls})
    backend_index.backend_url_patterns.extend(("drs", re.compile(base)) for base in urls.url_bases)
