#!/bin/sh
# Installs the system packages that the test suite needs, or says which these are.
set -eu

PACKAGES=chromium
command -v chromium >/dev/null 2>&1 && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "The test suite opens the notebooks in Chromium. Install it so that the command 'chromium' is there." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo=sudo
else
    echo "The test suite opens the notebooks in Chromium. Install it with: sudo apt-get install $PACKAGES" >&2
    exit 1
fi
$sudo apt-get update -q
$sudo apt-get install -y -q --no-install-recommends $PACKAGES
