"""The DRS backend as moto lays out a service: the modules of service/sandbox/moto_drs merged into moto's five files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["MergeError", "five_files"]

_INIT: Final = "from .models import drs_backends  # noqa: F401\n"
_ON_THEIR_OWN: Final = frozenset({"exceptions", "urls"})
_LEFT_OUT: Final = frozenset({"__init__", "register"})  # moto's own index of backends replaces the registration


class MergeError(ValueError):
    """The modules cannot be merged; the message says which name is in the way."""


class _Module(NamedTuple):
    name: str
    text: str
    tree: ast.Module

    @property
    def siblings(self) -> set[str]:
        """Names of the modules of the package that it imports."""
        return {
            name
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and node.level
            for name in ([node.module] if node.module else [alias.name for alias in node.names])
            if name
        }

    @property
    def whole(self) -> str:
        """A pattern of names in modules that it imports as a whole, as `shapes.now`; the name is its only group."""
        modules = [
            alias.name
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and node.level and not node.module
            for alias in node.names
        ]
        return rf"\b(?:{'|'.join(modules)})\.(\w+)" if modules else r"(?!)()"

    @property
    def defined(self) -> set[str]:
        """Names that it defines at its top level."""
        names: set[str] = set()
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {each.id for each in targets if isinstance(each, ast.Name)}
        return names


def five_files(package: Path) -> dict[str, str]:
    """Merge the modules of the package; return the text of each file by its name, not formatted.

    Raises:
        MergeError: two modules define the same name, or one imports what no module defines.
    """
    modules = {path.stem: _parse(path) for path in sorted(package.glob("*.py")) if path.stem not in _LEFT_OUT}
    groups = {name: _group_of(name) for name in modules}
    homes = _homes(modules, groups)
    files = {
        f"{group}.py": _merge(group, [modules[name] for name in _ordered(modules) if groups[name] == group], homes)
        for group in sorted(set(groups.values()))
    }
    return {"__init__.py": _INIT, **files}


def _parse(path: Path) -> _Module:
    text = path.read_text(encoding="utf-8")
    return _Module(path.stem, text, ast.parse(text))


def _group_of(name: str) -> str:
    if name in _ON_THEIR_OWN:
        return name
    return "responses" if name == "request" or name.endswith("responses") else "models"


def _ordered(modules: Mapping[str, _Module]) -> list[str]:
    """Modules in an order in which each comes after those that it imports."""
    return [*TopologicalSorter({name: sorted(module.siblings) for name, module in modules.items()}).static_order()]


def _homes(modules: Mapping[str, _Module], groups: Mapping[str, str]) -> dict[str, str]:
    """The file of each name. Raises MergeError where two modules of a file define one name differently."""
    homes: dict[str, str] = {}
    owners: dict[tuple[str, str], tuple[str, str]] = {}
    for name, module in modules.items():
        group = groups[name]
        for defined in module.defined:
            definition = _definition(module, defined)
            other, its_definition = owners.setdefault((group, defined), (name, definition))
            if other != name and its_definition != definition:
                message = f"{other}.py and {name}.py both define {defined}. Fix: rename one, both go into {group}.py"
                raise MergeError(message)
            homes[defined] = group
    return homes


def _definition(module: _Module, name: str) -> str:
    nodes = [node for node in module.tree.body if name in _Module("", "", ast.Module([node], [])).defined]
    return "\n".join(ast.unparse(node) for node in nodes)


def _merge(group: str, modules: Iterable[_Module], homes: Mapping[str, str]) -> str:
    """Put the modules of one file behind each other: one docstring, all imports, then what they define."""
    imports: set[str] = set()
    needed: dict[str, set[str]] = {}
    seen: set[str] = set()
    bodies = []
    docstring = ""
    for module in modules:
        docstring = ast.get_docstring(module.tree) or "" if module.name == group else docstring
        for node in module.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
                imports.add(ast.unparse(node))
        body = _body(module, seen)
        for name in _names_from_siblings(module, body):
            home = homes.get(name)
            if home is None:
                raise MergeError(f"{module.name}.py imports {name}, which no module defines. Fix: correct the import")
            if home != group:
                needed.setdefault(home, set()).add(name)
        bodies.append(re.sub(module.whole, r"\1", body))
    siblings = [f"from .{home} import {', '.join(sorted(names))}" for home, names in sorted(needed.items())]
    future = "from __future__ import annotations"
    others = sorted(imports - {future})
    return "\n\n".join([f'"""{docstring}"""', future, "\n".join([*others, *siblings]), *bodies]) + "\n"


def _body(module: _Module, seen: set[str]) -> str:
    """Return the text after the imports, without definitions that an earlier module of the file has word by word."""
    lines = module.text.splitlines()
    dropped: set[int] = set()
    for node in module.tree.body:
        names = _Module("", "", ast.Module([node], [])).defined
        is_known = bool(names) and names <= seen
        is_docstring = isinstance(node, ast.Expr) and node is module.tree.body[0]
        if is_known or is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            dropped |= set(range(first - 1, node.end_lineno or node.lineno))
        seen |= names
    return "\n".join(line for number, line in enumerate(lines) if number not in dropped).strip("\n")


def _names_from_siblings(module: _Module, body: str) -> set[str]:
    names = {
        alias.name
        for node in module.tree.body
        if isinstance(node, ast.ImportFrom) and node.level and node.module
        for alias in node.names
    }
    return names | set(re.findall(module.whole, body))
