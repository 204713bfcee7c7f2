"""Merging the modules of the DRS backend into the files that moto has for a service."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from service.sandbox.moto_drs import models
from tests.moto_upstream.five_files import MergeError, five_files

PACKAGE = Path(models.__file__).parent


def package(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def test_the_backend_is_five_files_that_compile_and_have_every_definition() -> None:
    files = five_files(PACKAGE)
    assert sorted(files) == ["__init__.py", "exceptions.py", "models.py", "responses.py", "urls.py"]
    trees = {name: ast.parse(text) for name, text in files.items()}
    merged = {node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)}
    ours = {
        node.name
        for path in PACKAGE.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    assert merged == ours
    assert not any("service." in text for text in files.values())


def test_modules_come_after_those_that_they_import(tmp_path: Path) -> None:
    package(
        tmp_path,
        models='"""Models."""\n\nimport json\n\nfrom .base import Base\n\n\nclass Model(Base):\n    pass\n',
        base="import json\n\n\nclass Base:\n    pass\n",
    )
    text = five_files(tmp_path)["models.py"]
    assert text.index("class Base") < text.index("class Model")
    assert text.startswith('"""Models."""')
    assert text.count("import json") == 1
    assert "from .base" not in text


def test_a_module_used_as_a_name_is_taken_apart(tmp_path: Path) -> None:
    package(
        tmp_path,
        shapes="def now():\n    return 1\n",
        models="from . import shapes\n\n\ndef model():\n    return shapes.now()\n",
        responses="from . import shapes\nfrom .models import model\n\n\nanswer = model, shapes.now\n",
    )
    files = five_files(tmp_path)
    assert "shapes" not in files["models.py"]
    assert "from .models import model, now" in files["responses.py"]


def test_a_definition_that_two_modules_share_is_kept_once(tmp_path: Path) -> None:
    same = "from typing import TypeVar\n\nT = TypeVar('T')\n"
    text = five_files(package(tmp_path, one=same, two=same))["models.py"]
    assert text.count("TypeVar('T')") == 1


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"one": "def same(): return 1\n", "two": "def same(): return 2\n"}, "one.py and two.py both define same"),
        ({"one": "x = 1\n", "two": "from .one import y\n"}, "two.py imports y, which no module defines"),
    ],
)
def test_what_cannot_be_merged_is_named(tmp_path: Path, modules: dict[str, str], message: str) -> None:
    with pytest.raises(MergeError, match=message):
        five_files(package(tmp_path, **modules))
