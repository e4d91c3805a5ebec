#!/usr/bin/env bash
# See to it that there is a browser for the tests of pages. Installs one only as root, or in continuous integration by
# a sudo that asks nothing; anybody else is told what to install, and the tests that need a browser fail.
set -euo pipefail

for name in google-chrome chromium chromium-browser; do # as in infra/local/doctor.py
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done

install=(apt-get -o DPkg::Lock::Timeout=300 install --yes --quiet --no-install-recommends chromium fonts-liberation)
as_root=()
if [[ $EUID -ne 0 ]]; then
    as_root=(sudo -n)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

may_install() {
    command -v apt-get >/dev/null || return 1
    [[ $EUID -eq 0 ]] || { [[ -n ${CI:-} ]] && sudo -n true 2>/dev/null; }
}

if may_install; then
    echo "installing chromium for the tests of pages (once)" >&2
    # A package list that is out of date names versions which are gone; one that can't be renewed may still do.
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update --quiet >"$log" 2>&1 || true
    if DEBIAN_FRONTEND=noninteractive "${as_root[@]}" "${install[@]}" >>"$log" 2>&1; then
        exit 0
    fi
    tail -n 20 "$log" >&2
fi
echo "no browser is installed: the tests of pages will fail; next: apt-get install chromium" >&2
