# shellcheck disable=SC2030,SC2031  # each test of bats is a subshell, and means to be
# The nightly load without a database: options, exit codes, log lines, and which of its parts it calls in which order.
# A psql of our own stands for PostgreSQL's; the load against real databases is in test_e2e_nightly.py.

bats_require_minimum_version 1.5.0

setup() {
    nightly="$BATS_TEST_DIRNAME/../bin/nightly"
    export HOME="$BATS_TEST_TMPDIR" COMET_LOCKS="$BATS_TEST_TMPDIR/locks" CALLS="$BATS_TEST_TMPDIR/calls"
    export DONE='' FAILS='' FAILS_WITH=3 COUNTS='fact_discovery 5 5'
    mkdir -p "$BATS_TEST_TMPDIR/bin" "$COMET_LOCKS"
    : >"$CALLS"
    cat >"$BATS_TEST_TMPDIR/bin/psql" <<'PSQL'
#!/usr/bin/env bash
files=$(printf '%s\n' "$@" | grep -oE 'sql/.*|step=.*' | paste -sd+)
echo "$files" >>"$CALLS"
if [[ -n $FAILS && $files == *"$FAILS"* ]]; then
    echo 'ERROR:  it said "no"' >&2
    exit "$FAILS_WITH"
fi
case $files in
    *high.sql*) echo '2026-01-02 00:00:00+00' ;;
    *open.sql*)
        echo "7|incremental|2026-01-01 00:00:00+00|2026-01-02 00:00:00+00|2026-01-01 00:00:00+00|${RESUMED:-f}"
        tr ' ' '\n' <<<"$DONE"
        ;;
    *extract/*) printf 'COPY stage FROM STDIN;\none\nrow\n\\.\n' ;;
    step=*) # the warehouse's script: it counts only when it comes to its end
        if grep -q '^COMMIT'; then
            [[ $files != *reconcile* ]] || echo "$COUNTS"
            echo '5 3 2 0'
        fi
        ;;
esac
PSQL
    chmod +x "$BATS_TEST_TMPDIR/bin/psql"
    PATH="$BATS_TEST_TMPDIR/bin:$PATH"
}

@test "the steps run in order, dimensions before facts, the counts last" {
    run "$nightly"
    [ "$status" -eq 0 ]
    run bash -c 'grep -o "step=[a-z_]*" "$CALLS" | paste -sd" "'
    [ "$output" = "step=dimensions step=fact_discovery step=fact_measurement step=reconcile" ]
}

@test "each line of the log is JSON, with numbers as numbers" {
    run --separate-stderr "$nightly"
    [ -z "$output" ]
    while read -r line; do
        node -e 'const l = JSON.parse(process.argv[1]); if (!l.time || !l.level || !l.event) process.exit(1)' "$line"
    done <<<"$stderr"
    grep -q '"event":"loaded","run":7,"step":"dimensions","read":5,"inserted":3,"updated":2,"deleted":0,"ms":[0-9]' <<<"$stderr"
}

@test "what is done is skipped, and a fresh load follows the resumed one" {
    export RESUMED=t DONE='dimensions fact_discovery'
    run "$nightly"
    [ "$status" -eq 0 ]
    [[ $output == *'"event":"skipped","run":7,"step":"fact_discovery"'* ]]
    [[ $output == *resumed_run_finished* ]]
    [ "$(grep -c open.sql "$CALLS")" -eq 2 ]
    run ! grep -q step=dimensions "$CALLS"
}

@test "a step that fails ends the load with 70, and its error is quoted in the log" {
    export FAILS=step=dimensions
    run "$nightly"
    [ "$status" -eq 70 ]
    [[ $output == *'"event":"failed","run":7,"step":"dimensions"'*'it said \"no\"'* ]]
    run ! grep -q fact_ "$CALLS"
}

@test "an extract that fails ends the load with 70 too" {
    export FAILS=extract/fact_discovery
    run "$nightly"
    [ "$status" -eq 70 ]
    run ! grep -q fact_measurement "$CALLS"
}

@test "a connection that is refused or lost ends with 69" {
    export FAILS=high.sql FAILS_WITH=2
    run "$nightly"
    [ "$status" -eq 69 ]
}

@test "counts that differ end with 65" {
    export COUNTS='fact_measurement 5 4'
    run "$nightly"
    [ "$status" -eq 65 ]
    [[ $output == *'"event":"reconciled","run":7,"fact":"fact_measurement","expected":5,"found":4'* ]]
    [[ $output == *'nightly --full'* ]]
}

@test "a second load ends with 75, and touches no database" {
    exec 8>"$COMET_LOCKS/nightly.lock"
    flock 8
    run "$nightly"
    [ "$status" -eq 75 ]
    [ ! -s "$CALLS" ]
}

@test "a dry run extracts and loads nothing" {
    run "$nightly" --dry-run
    [ "$status" -eq 0 ]
    [[ $output == *'"event":"would_read","run":7,"step":"fact_measurement","read":2'* ]]
    run ! grep -q 'step=' "$CALLS"
}

@test "no scratch folder is left behind" {
    export TMPDIR="$BATS_TEST_TMPDIR/scratch" FAILS=step=dimensions
    mkdir "$TMPDIR"
    run "$nightly"
    [ -z "$(ls -A "$TMPDIR")" ]
}

@test "help is no error" {
    run "$nightly" --help
    [ "$status" -eq 0 ]
    [[ $output == usage:* ]]
}

@test "wrong options end with 64, say what is wrong, and touch no database" {
    local options
    for options in --bogus '--from' '--from yesterday' '--to 2026-01-01' '--full --from 2026-01-01' '--overlap 1h' \
        '--from 2026-02-01 --to 2026-01-01' "--from 2026-01-01';DROP"; do
        # shellcheck disable=SC2086  # several words on purpose
        run "$nightly" $options
        echo "$options: $output"
        [ "$status" -eq 64 ]
        [[ $output == *'"event":"usage"'* ]]
    done
    [ ! -s "$CALLS" ]
}
