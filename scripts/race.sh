#!/usr/bin/env bash
# A release and what takes away the right to it, at the same moment, ten thousand times each: consent
# withdrawn, case handed over, organisation suspended, on SQLite and on PostgreSQL. Optimised, because
# the tests of every day do four hundred each.
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
cargo test --locked --release --test it race:: -- --nocapture --test-threads 2
