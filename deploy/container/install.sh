#!/bin/sh
# Installs drs-sync under a prefix: install.sh PREFIX. The image and, without a container engine, the tests use it.
# Needs python3 with pip and venv, and the repository around it.
set -eu

prefix=${1:?usage: install.sh PREFIX}
tree=$(cd "$(dirname "$0")/../.." && pwd)

python3 -m venv --without-pip "$prefix"
site=$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$tree" python3 "$tree/deploy/package.py" --into "$site"

cat > "$prefix/bin/drs-sync" <<EOF
#!$prefix/bin/python
from service.cli.command_line import main

main()
EOF
chmod 755 "$prefix/bin/drs-sync"

# The image's file system is read-only, so without bytecode every start would compile all modules.
"$prefix/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$site"
"$prefix/bin/drs-sync" --version
