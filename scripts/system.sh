#!/bin/sh
# Installs the system packages that are named by the commands they bring, or says which these are.
# Usage: sh scripts/system.sh bwrap chromium
set -eu

for folder in /usr/lib/postgresql/*/bin; do
    PATH=$PATH:$folder # where Debian has the server's programs
done
PACKAGES=
for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 && continue
    case $command in
        bwrap) PACKAGES="$PACKAGES bubblewrap" ;;
        initdb) PACKAGES="$PACKAGES postgresql" ;;
        *) PACKAGES="$PACKAGES $command" ;;
    esac
done
[ -z "$PACKAGES" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "These packages are needed, so that the commands '$*' are there:$PACKAGES" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo=sudo
else
    echo "These packages are needed. Install them with: sudo apt-get install$PACKAGES" >&2
    exit 1
fi
$sudo apt-get update -q
# shellcheck disable=SC2086  # they are words
$sudo apt-get install -y -q --no-install-recommends $PACKAGES
