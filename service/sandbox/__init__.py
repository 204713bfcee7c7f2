"""Local AWS emulator with Elastic Disaster Recovery (DRS), to test tools for DRS without an AWS account.

>>> from service.sandbox import start
>>> with start(servers=3) as sandbox:
...     len(sandbox.client("drs").describe_source_servers()["items"])
3

A name is imported when it is first used: the package itself imports nothing of moto.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from service.sandbox.faults import Faults
    from service.sandbox.fleet import FleetError, demo_fleet, load_fleet, parse_fleet
    from service.sandbox.fleet_draw import draw_fleet
    from service.sandbox.fleet_models import Fleet, Fragment
    from service.sandbox.server import Sandbox, SandboxError
    from service.sandbox.starting import fleet_of, start

__all__ = [
    "Faults",
    "Fleet",
    "FleetError",
    "Fragment",
    "Sandbox",
    "SandboxError",
    "demo_fleet",
    "draw_fleet",
    "fleet_of",
    "load_fleet",
    "parse_fleet",
    "start",
]

_MODULES: Final = MappingProxyType(
    {
        "Faults": "faults",
        "Fleet": "fleet_models",
        "FleetError": "fleet",
        "Fragment": "fleet_models",
        "Sandbox": "server",
        "SandboxError": "server",
        "demo_fleet": "fleet",
        "draw_fleet": "fleet_draw",
        "fleet_of": "starting",
        "load_fleet": "fleet",
        "parse_fleet": "fleet",
        "start": "starting",
    }
)


def __getattr__(name: str) -> Any:  # noqa: ANN401  (each name has its own type)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
