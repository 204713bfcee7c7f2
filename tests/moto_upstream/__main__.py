"""`python -m tests.moto_upstream`: writes the patch that adds DRS to the pinned moto, and checks it as moto does."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.moto_upstream.five_files import MergeError
from tests.moto_upstream.patch import CheckError, apply_patch, build_patch, check


def main() -> int:
    """Write the patch; exit code 1 when it cannot be built or a check fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.moto_upstream", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/moto-drs.patch"), help="default: %(default)s")
    parser.add_argument("--no-check", action="store_true", help="only write the patch")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as work:
            patch = build_patch(Path(work) / "build")
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            arguments.output.write_text(patch, encoding="utf-8")
            sys.stdout.write(f"{arguments.output}: for moto {version('moto')}, {len(patch.splitlines())} lines\n")
            if not arguments.no_check:
                apply_patch(patch, Path(work) / "moto")
                check(Path(work) / "moto")
                sys.stdout.write("it applies; format, lint, types and tests (decorator and server mode) pass\n")
    except (MergeError, CheckError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
