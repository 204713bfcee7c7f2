#!/bin/sh
# Installs drs-sync under a prefix: install.sh PREFIX. The image and, without a container engine, the tests use it.
# Needs the repository around it and a python3 with venv and pip; nothing else has to be installed.
# TARGETARCH, which docker buildx sets, names the architecture to install for, so that no build needs an emulator:
# arm64 or amd64; unset means this machine's. The Python under the prefix is this one in either case.
set -eu

prefix=${1:?usage: install.sh PREFIX}
tree=$(cd "$(dirname "$0")/../.." && pwd)

case ${TARGETARCH:-} in
    "") machine=$(uname -m) platform= ;;
    amd64) machine=x86_64 platform=manylinux2014_x86_64 ;;
    arm64) machine=aarch64 platform=manylinux2014_aarch64 ;;
    *) echo "no wheels are locked for TARGETARCH=$TARGETARCH. Fix: build for arm64 or amd64" >&2; exit 2 ;;
esac

python3 -I -m venv --without-pip "$prefix"
site=$("$prefix/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
python3 -I -B "$tree/deploy/package.py" --into "$site" ${platform:+"$platform"}

cat > "$prefix/bin/drs-sync" <<EOF
#!$prefix/bin/python
from service.cli.command_line import main

main()
EOF
chmod 755 "$prefix/bin/drs-sync"

# The image's file system is read-only, so without bytecode every start would compile all modules.
"$prefix/bin/python" -I -m compileall -q --invalidation-mode unchecked-hash "$site"
if [ "$machine" = "$(uname -m)" ]; then
    "$prefix/bin/drs-sync" --version
fi
