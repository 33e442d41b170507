#!/usr/bin/env bash
# A release and what takes away the right to it, at the same moment, ten thousand times each: consent
# withdrawn, case handed over, organisation suspended, on SQLite and on PostgreSQL; then random ways through
# referrals, cases and pairings held against a model, a fifth as many; half as many deliveries to receivers that fail,
# hang and cut off; and fifty kills of a sealing. Optimised, because the tests of every day do four hundred, a hundred
# and twenty, four hundred and twenty.
#
#   scripts/race.sh [TRIES]
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
work=$(mktemp -d "${TMPDIR:-/tmp}/buurtpoort-race.XXXXXX")
chmod 0711 "$work"
finish() {
    scripts/postgres.sh stop "$work/server" >/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
scripts/postgres.sh start "$work/server" >/dev/null
set -a
# shellcheck source=/dev/null
. "$work/server/environment"
set +a
export BUURTPOORT_RACE_TRIES=${1:-10000}
export BUURTPOORT_SEQUENCES=$((BUURTPOORT_RACE_TRIES / 5))
export BUURTPOORT_DELIVERIES=$((BUURTPOORT_RACE_TRIES / 2))
export BUURTPOORT_KILLS=50
cargo test --locked --release --test it -- race:: states::random storm:: crash:: --nocapture --test-threads 2
