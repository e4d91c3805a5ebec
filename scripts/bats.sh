#!/usr/bin/env bash
# Run bats on the files given; install it first, once, exactly as requirements/bats/package-lock.json says.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${ORRERY_STATE:-.orrery}/envs/bats
stamp=$(cat requirements/bats/*.json | sha256sum)
command -v npm >/dev/null || {
    echo "error: npm is missing, which installs bats" >&2
    echo "next: install Node with npm, then run the command again" >&2
    exit 1
}
mkdir -p "$folder"
exec 9>"$folder/../bats.lock"
flock 9
if [[ ! -e $folder/stamp || $(<"$folder/stamp") != "$stamp" ]]; then
    cp requirements/bats/*.json "$folder/"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    echo "$stamp" >"$folder/stamp"
fi
exec 9>&-
exec "$folder/node_modules/bats/bin/bats" --timing "$@"
