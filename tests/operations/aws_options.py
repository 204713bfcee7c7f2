"""Names the options that the AWS CLI does not know: reads commands as JSON lists of words, writes lists of complaints.

A process of its own, because the AWS CLI brings another botocore than the engine's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from awscli.clidriver import create_clidriver

# Which of these a command has is decided when it runs.
_OF_LISTS = frozenset({"--page-size", "--max-items", "--starting-token", "--no-paginate"})


def complaints(driver: Any, words: list[str]) -> Iterator[str]:
    """Check one command, without the word `aws`."""
    general = {f"--{name}" for name in driver._get_argument_table()}
    while words and words[0].startswith("--"):
        if words[0].partition("=")[0] not in general:
            yield f"aws has no option {words[0]}"
        words = words[1 if "=" in words[0] else 2 :]
    table, path = driver._get_command_table(), ["aws"]
    known: Any = driver
    while words and words[0] in table:
        name, *words = words
        path.append(name)
        known = table[name]
        has_operations = hasattr(known, "_get_command_table")
        table = known._get_command_table() if has_operations else getattr(known, "subcommand_table", {})
    if len(path) < len(("aws", "service", "operation")):
        yield f"{' '.join(path)} has no command {' '.join(words[:1])}"
        return
    options = general | _OF_LISTS | {f"--{name}" for name in known.arg_table}
    for word in words:
        option = word.partition("=")[0]
        if re.match(r"--?[a-zA-Z]", word) and option not in options:
            yield f"{' '.join(path)} has no option {option}"


if __name__ == "__main__":
    cli_driver = create_clidriver()
    json.dump([list(complaints(cli_driver, words)) for words in json.load(sys.stdin)], sys.stdout)
