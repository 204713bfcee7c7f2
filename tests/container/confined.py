"""Running a command as the container's orchestrator does: not as root, on a read-only file system, without a home."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

__all__ = ["confine"]

# Another user could not reach the test's folders, so the process may read every file; it may still write none of them.
_READER = (
    "--reuid=10001 --regid=10001 --clear-groups --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search"
)
_AS_USER = ["setpriv", *_READER.split(), "--no-new-privs"]
_READ_ONLY = ["sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"]
_WAYS = (
    ["unshare", "--mount", *_READ_ONLY, *_AS_USER],  # for root in a container or a machine of its own
    _AS_USER,  # for root where nothing can be mounted
    ["unshare", "--map-root-user", "--mount", *_READ_ONLY],  # for a user who may make namespaces
)


@functools.cache
def _way(folder: Path) -> list[str]:
    """Return the strictest of the ways that work on this machine."""
    for way in _WAYS:
        tried = [*way, "sh", "-c", 'test -r "$1" && ! touch "$1/written"', "sh", str(folder)]
        try:
            completed = subprocess.run(tried, check=False, capture_output=True)
        except FileNotFoundError:
            continue
        if completed.returncode == 0:
            return way
    return []


def confine(command: list[str], folder: Path) -> list[str]:
    """Return the command line that runs a command without write access to a folder, as strictly as this machine can."""
    return [*_way(folder), *command]
