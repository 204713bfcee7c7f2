"""The commands of a page: its console blocks with section, step and, where the tests leave one out, the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["ROOT", "Block", "blocks"]

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"<!-- not executed:(.*?)-->", re.DOTALL)
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Block:
    """A console block. `step` counts the numbered list items of its section; `reason`: why it is not executed."""

    section: str
    step: int
    line: int
    text: str
    reason: str | None

    @property
    def script(self) -> str:
        """The commands without prompts, as bash takes them. A line without a prompt continues the one above."""
        return "".join(line.removeprefix(_PROMPT) + "\n" for line in self.text.splitlines())

    @property
    def commands(self) -> list[str]:
        """Each command on a line of its own, without the ends of its lines."""
        joined = re.sub(r"\\\n\s*", " ", self.text)
        return [command.removeprefix(_PROMPT) for command in re.split(r"\n(?=\$ )", joined)]


@cache
def blocks(text: str) -> tuple[Block, ...]:
    """Return the console blocks of a page's text, in order."""
    found: list[Block] = []
    section, step, reason = "", 0, None
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            section, step = tokens[position + 1].content, 0
        elif token.type == "list_item_open" and token.info:
            step = int(token.info)
        elif token.type == "html_block" and (mark := _MARK.match(token.content)):
            reason = mark[1].strip()
        elif token.type == "fence":
            if token.info == "console":
                line = token.map[0] + 1 if token.map else 0
                found.append(Block(section, step, line, token.content, reason))
            reason = None
    return tuple(found)
