#!/usr/bin/env bash
# Looks for drift in the stacks that STACKS names (spaces between) and writes what it finds to a file.
# The file is empty where nothing drifted. Ends with 1 where a stack could not be looked at: that is no clean report.
set -euo pipefail
report=${1:?usage: scripts/drift_report.sh FILE}
orrery=${ORRERY:-$(dirname "$0")/../orrery}
: >"$report"
failed=0
for stack in ${STACKS:?name the deployed stacks in STACKS}; do
    code=0
    found=$("$orrery" drift "$stack" --target "${TARGET:-aws}") || code=$?
    case $code in
    0) ;;
    3) printf '## %s\n\n~~~\n%s\n~~~\n\n' "$stack" "$found" >>"$report" ;;
    *) failed=1 ;;
    esac
done
exit "$failed"
