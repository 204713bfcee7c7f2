"""Parser of declared fleets in YAML or JSON, with error messages that say how to fix them, and their merge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from service.sandbox.faults import Strict
from service.sandbox.fleet_models import Account, Fleet, Fragment

__all__ = ["FleetError", "demo_fleet", "load_fleet", "merged", "parse_fleet", "parse_model"]

M = TypeVar("M", bound=Strict)


class _Loader(yaml.SafeLoader):
    """Loads YAML as if it were JSON: a time stays text, which is what DRS answers with."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (as in yaml)
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class FleetError(ValueError):
    """Invalid fleet; the message names each member to fix."""


def merged(fleet: Fleet, fragment: Fragment) -> Fleet:
    """Return the fleet with a fragment added to it.

    Raises:
        FleetError: the two together are no valid fleet.
    """
    accounts = {account.account_id: account for account in fleet.accounts}
    for added in fragment.accounts:
        known = accounts.get(added.account_id)
        accounts[added.account_id] = _merged_account(known, added) if known else added
    members = {**dict(fleet), "accounts": tuple(accounts.values())}
    return parse_model(Fleet, members, "fleet fragment")


def _merged_account(known: Account, added: Account) -> Account:
    """Update a known account with the members that a fragment declares; regions are added or replaced."""
    members = {name: getattr(added, name) for name in added.model_fields_set}
    return known.model_copy(update={**members, "regions": {**known.regions, **added.regions}})


def parse_model(model: type[M], members: object, source: str) -> M:
    """Validate decoded YAML or JSON against a model.

    Raises:
        FleetError: the message has one line per invalid member, each with the path to it.
    """
    if not isinstance(members, Mapping):
        raise FleetError(f"{source}: must be a mapping of members, not {type(members).__name__}")
    try:
        return model.model_validate(members)
    except ValidationError as error:
        lines = [f"  {_path(problem['loc'])}: {_fix(problem['type'], problem['msg'])}" for problem in error.errors()]
        raise FleetError("\n".join([f"{source}: fix these members:", *lines])) from None


def _path(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).lstrip(".") or "the document"


def _fix(error_type: str, message: str) -> str:
    if error_type == "extra_forbidden":
        return "no such member. Fix: check its spelling or remove it"
    return message.removeprefix("Value error, ")


def parse_fleet(text: str, source: str = "fleet") -> Fleet:
    """Read a fleet from the text of a YAML or JSON file.

    Raises:
        FleetError: the text is not valid; the message says how to fix it.
    """
    try:
        members = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except json.JSONDecodeError as error:
        raise FleetError(f"{source}: not JSON, although it starts with a brace: {error}") from None
    except yaml.YAMLError as error:
        raise FleetError(f"{source}: not YAML: {error}") from None
    return parse_model(Fleet, members, source)


def load_fleet(path: str | Path) -> Fleet:
    """Read a fleet file, YAML or JSON.

    Raises:
        FleetError: the file cannot be read or is not valid; the message says how to fix it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: cannot be read: {error}") from None
    return parse_fleet(text, str(path))


def demo_fleet() -> Fleet:
    """Return the demo fleet that ships with the sandbox."""
    text = resources.files("service.sandbox").joinpath("demo_fleet.yaml").read_text(encoding="utf-8")
    return parse_fleet(text, "demo_fleet.yaml")
