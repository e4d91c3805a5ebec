#!/usr/bin/env bash
# See to it that the tests have a program that pip can't install:
#
#   scripts/install_debian.sh "a browser" "google-chrome chromium chromium-browser" chromium fonts-liberation
#
# its name, where it is found (programs on the PATH, or paths, which may hold *), and Debian's packages. Installs them
# only as root, or in continuous integration by a sudo that asks nothing; anybody else is told what to install, and the
# tests that need it fail.
set -euo pipefail

if (($# < 3)); then
    echo "usage: install_debian.sh NAME 'PROGRAM-OR-PATH …' PACKAGE…" >&2
    exit 2
fi
name=$1 found_as=$2
shift 2

there() {
    local each path
    set -f # `found_as` is split into words here, and its * are kept for compgen
    for each in $found_as; do
        case $each in
        */*) while IFS= read -r path; do [[ -x $path ]] && return 0; done < <(compgen -G "$each") ;;
        *) command -v "$each" >/dev/null && return 0 ;;
        esac
    done
    return 1
}
if there; then
    exit 0
fi
set +f

install=(apt-get -o DPkg::Lock::Timeout=300 install --yes --quiet --no-install-recommends "$@")
as_root=()
if [[ $EUID -ne 0 ]]; then
    as_root=(sudo -n)
fi

may_install() {
    command -v apt-get >/dev/null || return 1
    [[ $EUID -eq 0 ]] || { [[ -n ${CI:-} ]] && sudo -n true 2>/dev/null; }
}

if may_install; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    echo "installing $name for the tests (once): $*" >&2
    # A package list that is out of date names versions which are gone; one that can't be renewed may still do.
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update --quiet >"$log" 2>&1 || true
    if DEBIAN_FRONTEND=noninteractive "${as_root[@]}" "${install[@]}" >>"$log" 2>&1; then
        exit 0
    fi
    tail -n 20 "$log" >&2
fi
echo "$name is not installed: the tests that need it will fail; next: apt-get install $*" >&2
