"""The list of mutants: each still fits the code, and breaks what the pages promise. `make mutants` runs them."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutants.lists import MUTANTS
from tests.mutants.mutant import ROOT, Mutant, promised_tests

PROMISED = promised_tests()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code_and_the_pages(mutant: Mutant) -> None:
    planted = mutant.planted((ROOT / mutant.file).read_text())
    if mutant.file.endswith(".py"):
        ast.parse(planted)
    assert mutant.tests
    assert mutant.breaks
    assert set(mutant.breaks) <= PROMISED.keys()
    named = frozenset[str]().union(*(PROMISED[number] for number in mutant.breaks))
    whole_files = {test.partition("::")[0] for test in named if test.endswith("::*")}
    strangers = {test for test in mutant.tests if test not in named and test.partition("::")[0] not in whole_files}
    assert not strangers, (
        f"Fix: name {strangers} in the rows of {mutant.breaks} in docs, or choose tests that are there"
    )


def test_names_are_unique() -> None:
    assert not [name for name, count in Counter(each.name for each in MUTANTS).items() if count > 1]


def test_no_two_mutants_plant_the_same_bug() -> None:
    planted = Counter((each.file, each.planted((ROOT / each.file).read_text())) for each in MUTANTS)
    assert not [file for (file, _), count in planted.items() if count > 1]


def test_a_text_that_is_not_there_once_is_told() -> None:
    mutant = Mutant(name="twice", breaks=("R1.1",), file="a.py", before="a", after="b", tests=("unit/test_text.py::*",))
    with pytest.raises(ValueError, match=r"occurs 2 times in a\.py\. Fix: .*'twice'"):
        mutant.planted("aa")
