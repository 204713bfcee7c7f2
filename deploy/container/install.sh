#!/bin/sh
# Installs drs-sync, and nothing else, under a prefix: install.sh PREFIX. The image is built by this script, and so is
# what the tests run where there is no container engine. Needs python3 with pip and venv, and this tree around it.
set -eu

prefix=${1:?usage: install.sh PREFIX}
tree=$(cd "$(dirname "$0")/../.." && pwd)

python3 -m venv --without-pip "$prefix"
site=$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$tree" python3 "$tree/deploy/package.py" --into "$site"

cat > "$prefix/bin/drs-sync" <<EOF
#!$prefix/bin/python
from service.cli.main import main

main()
EOF
chmod 755 "$prefix/bin/drs-sync"

# The image's file system is read-only when it runs: what is not compiled now would be compiled at each start.
"$prefix/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$site"
"$prefix/bin/drs-sync" --version
