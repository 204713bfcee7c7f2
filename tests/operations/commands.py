"""Checks of a command without running it: its options are known, and a template has the parameters that it is given."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import botocore

from tests.deploy.templates import Template, names, template
from tests.operations.page import ROOT
from tests.support.command_tree import command_tree

__all__ = ["complaints"]

_SUBSTITUTED = re.compile(r"\$\(((?:[^()]|\([^()]*\))*)\)")


def complaints(commands: Iterable[str]) -> list[str]:
    """List what is wrong with command lines; programs that this project does not know are not looked at."""
    simple = [_without_assignments(words) for command in commands for words in _simple_commands(command)]
    of_aws = [words[1:] for words in simple if words[:1] == ["aws"]]
    found = [complaint for words in simple for complaint in _complaints(words)]
    return [*found, *(complaint for each in _options_of_aws(of_aws) for complaint in each)]


def _options_of_aws(commands: list[list[str]]) -> list[list[str]]:
    if not commands:
        return []
    program = [sys.executable, "-m", "tests.operations.aws_options"]
    # The SDK's models come after the CLI's own, which have no recovery plans yet.
    environment = {**os.environ, "AWS_DATA_PATH": str(Path(botocore.__file__).parent / "data")}
    done = subprocess.run(
        program, input=json.dumps(commands).encode(), stdout=subprocess.PIPE, check=True, cwd=ROOT, env=environment
    )
    answers: list[list[str]] = json.loads(done.stdout)
    return answers


def _without_assignments(words: list[str]) -> list[str]:
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    return words


def _simple_commands(command: str) -> Iterator[list[str]]:
    """Split a command line into simple commands, those in `$(...)` included."""
    for inner in _SUBSTITUTED.findall(command):
        if not inner.startswith("("):  # not an arithmetic expression
            yield from _simple_commands(inner)
    lexer = shlex.shlex(_SUBSTITUTED.sub("$_", command), posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set(";|&"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _complaints(words: list[str]) -> Iterator[str]:
    match words:
        case ["aws", *rest] if "deploy" in rest:
            yield from _of_deploy(rest)
        case ["drs-sync" | ".venv/bin/drs-sync", *rest]:
            yield from _of_drs_sync(rest)
        case ["python" | "sh" | "bash", script, *_] if not (script.startswith("-") or (ROOT / script).is_file()):
            yield f"there is no {script}"
        case ["make", *rest]:
            yield from _of_make(rest)


def _of_deploy(words: list[str]) -> Iterator[str]:
    """Check parameters and capabilities of a deployment of one of our templates."""
    name = _values(words, "--template-file")[0].rpartition("/")[2]
    if name not in names():
        return
    deployed = template(name)
    declared: dict[str, Any] = deployed["Parameters"]
    for given in _values(words, "--parameter-overrides"):
        key, _, value = given.partition("=")
        if key not in declared:
            yield f"{name} has no parameter {key}"
        elif "$" not in value and value not in declared[key].get("AllowedValues", [value]):
            yield f"{name}: parameter {key} may not be {value}"
    if _has_named_roles(deployed) and "CAPABILITY_NAMED_IAM" not in _values(words, "--capabilities"):
        yield f"{name} needs --capabilities CAPABILITY_NAMED_IAM"
    nested = any(each["Type"] == "AWS::CloudFormation::Stack" for each in deployed["Resources"].values())
    if nested and "CAPABILITY_AUTO_EXPAND" not in _values(words, "--capabilities"):
        yield f"{name} needs --capabilities CAPABILITY_AUTO_EXPAND"


def _values(words: list[str], option: str) -> list[str]:
    """Return the values of an option: the words up to the next one."""
    if option not in words:
        return []
    rest = words[words.index(option) + 1 :]
    end = next((i for i, word in enumerate(rest) if word.startswith("--")), len(rest))
    return rest[:end]


def _has_named_roles(deployed: Template) -> bool:
    return any(
        each["Type"] == "AWS::CloudFormation::Stack" or "RoleName" in each.get("Properties", {})
        for each in deployed["Resources"].values()
    )


def _options(words: list[str]) -> Iterator[str]:
    for word in words:
        if re.match(r"--?[a-zA-Z]", word):
            yield word.partition("=")[0]


def _of_drs_sync(words: list[str]) -> Iterator[str]:
    command: Any = command_tree()
    path = ["drs-sync"]
    words = words[: words.index("--")] if "--" in words else words  # what follows is another program's
    while words and not words[0].startswith("-") and getattr(command, "commands", None):
        name, *words = words
        if name not in command.commands:
            yield f"{' '.join(path)} has no command {name}"
            return
        path.append(name)
        command = command.commands[name]
    known = {"--help"} | {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    yield from (f"{' '.join(path)} has no option {option}" for option in _options(words) if option not in known)


def _of_make(words: list[str]) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    yield from (
        f"make has no target {word}" for word in words if re.fullmatch(r"[a-z][a-z-]*", word) and word not in targets
    )
