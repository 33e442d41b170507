#!/usr/bin/env bash
# Everything a change must pass, on a bare Debian machine with Rust or on one where all is there.
#
#   scripts/test.sh              all steps, in this order
#   scripts/test.sh STEP…        only those: format lints tests doctests docs licences demo pages api
#
#   format     cargo fmt --check
#   lints      cargo clippy, warnings are errors
#   tests      unit and integration tests, on SQLite and on a throw-away PostgreSQL; the policies are
#              proven (cvc5)
#   doctests   the examples in the documentation of the code
#   docs       that documentation builds without a warning
#   licences   cargo-deny: licences, banned crates, sources; advisories where their database is at hand
#   demo       the demo's story over real mutual TLS, on SQLite and on PostgreSQL
#   pages      the pages in Chromium: their style sheets are what the sources give; a story of five people, without
#              scripts, with axe at each state; signing in by a real OpenID provider. Pictures: target/pages
#   api        the API description against the design rules of the Dutch government (Spectral), where
#              their ruleset is beside this folder (../shared/data/adr-linter.yaml; it is not ours to copy)
#
# What is missing is installed: Debian packages when run as root (otherwise it says which), the rest
# in target/tools. Reads nothing from standard input. Stops what it starts.
#
# Variables that may be set: BUURTPOORT_TEST_POSTGRES (a superuser's postgres:// address on an existing
# server) and BUURTPOORT_TEST_POSTGRES_CA (the PEM file its certificate is signed by). Without them
# a server is made for this run (scripts/postgres.sh) and they are set to it.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
# Not in the way of a step: a colour code in a log, a question on a terminal.
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never} DEBIAN_FRONTEND=noninteractive

STEPS=(format lints tests doctests docs licences demo pages api)
CARGO_DENY=0.20.2
RULESET=../shared/data/adr-linter.yaml
tools=$PWD/target/tools
work=$(mktemp -d "${TMPDIR:-/tmp}/buurtpoort-test.XXXXXX")
chmod 0711 "$work"
memory=

say() { printf '== %4ss  %s\n' "$SECONDS" "$*"; }
die() {
    say "$*" >&2
    exit 1
}

finish() {
    local result=$?
    trap - EXIT
    [ ! -e "$work/postgres" ] || scripts/postgres.sh stop "$work/postgres" || true
    rm -rf "$work" ${memory:+"$memory"}
    if [ "$result" -eq 0 ]; then say "passed: $*"; else say "FAILED in ${step:-the start}"; fi
    exit "$result"
}

# What is installed when missing

# apt_install PACKAGE…: one look at the package lists per run, and only when something is missing.
apt_lists=old
apt_install() {
    [ "$(id -u)" -eq 0 ] || die "missing: $* (as root: apt-get install $*)"
    if [ "$apt_lists" = old ]; then
        apt-get update -qq
        apt_lists=new
    fi
    say "installing $*"
    apt-get install -y -qq --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
        die "apt-get install $*: $(tail -n 5 "$work/apt.log")"
}

need_program() { command -v "$1" >/dev/null || apt_install "$2"; }

need_postgres_server() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
        command -v initdb >/dev/null || apt_install postgresql
}

# An unoptimised build without its optional parts: a third of the compile time, and a check still
# takes a second.
need_cargo_deny() {
    cargo deny --version >/dev/null 2>&1 && return
    if ! [ -x "$tools/bin/cargo-deny" ]; then
        say "installing cargo-deny $CARGO_DENY"
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --no-default-features \
            --root "$tools" --target-dir "$work/cargo-deny" "cargo-deny@$CARGO_DENY"
        rm -rf "$work/cargo-deny"
    fi
    PATH=$tools/bin:$PATH
}

need_node() {
    need_program node nodejs
    need_program npm npm
}

# npm_ci DIR: what a lock file names, without scripts of packages.
npm_ci() {
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund >"$work/npm.log" 2>&1) ||
        die "npm ci in $1: $(tail -n 5 "$work/npm.log")"
}

need_spectral() {
    need_node
    # `installed` is what an installation that came to its end was made from.
    cmp -s tests/tools/package-lock.json "$tools/spectral/installed" && return
    say "installing Spectral"
    mkdir -p "$tools/spectral"
    cp tests/tools/package.json tests/tools/package-lock.json "$tools/spectral/"
    npm_ci "$tools/spectral"
    cp tests/tools/package-lock.json "$tools/spectral/installed"
}

# The throw-away server of this run, made when the first step needs it.
need_postgres() {
    [ -z "${BUURTPOORT_TEST_POSTGRES:-}" ] || return 0
    need_program openssl openssl
    need_program python3 python3
    need_postgres_server
    scripts/postgres.sh start "$work/postgres" >/dev/null
    set -a
    # shellcheck source=/dev/null
    . "$work/postgres/environment"
    set +a
}

# has_room DIR: whether it is a file system in memory with 4 GiB free, on a machine with as much to spare.
has_room() {
    local type free spare
    read -r type free < <(df --output=fstype,avail "$1" 2>/dev/null | tail -n 1)
    spare=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
    [ "$type" = tmpfs ] && [ "$free" -ge 4194304 ] && [ "${spare:-0}" -ge 8388608 ]
}

# Four ports that nobody listens on.
free_ports() {
    python3 - <<'PYTHON'
import socket
held = [socket.socket() for _ in range(4)]
for one in held:
    one.bind(("127.0.0.1", 0))
ports = [one.getsockname()[1] for one in held]
# Closed before anybody reads the line and binds.
for one in held:
    one.close()
print(*ports)
PYTHON
}

# Steps

step_format() { cargo fmt --check; }

step_lints() { cargo clippy --locked --all-targets --quiet -- -D warnings; }

# The independent verifier of the ledger needs one package beside Python itself. Debian's serves Debian's
# Python; where another comes first in PATH, its own installer has it.
need_python_cryptography() {
    need_program python3 python3
    local has=(python3 -c 'import cryptography')
    "${has[@]}" 2>/dev/null && return
    [ "$(id -u)" -ne 0 ] || apt_install python3-cryptography
    "${has[@]}" 2>/dev/null || python3 -m pip install --quiet cryptography
}

step_tests() {
    [ -n "${CVC5:-}" ] || need_program cvc5 cvc5
    # A disk that answers with an error; without it that one test passes over.
    [ "$(id -u)" -ne 0 ] || need_program strace strace
    need_postgres
    need_python_cryptography
    # A commit that takes two seconds seals a ledger, as it must; the disk of a shared machine can stand still for as
    # long. So the databases of the tests are in memory where there is room: what they show, a killed process and
    # a disk that answers with an error, is the same there. PostgreSQL stays on the disk: it writes too much.
    local TMPDIR=${TMPDIR:-/tmp}
    if has_room /dev/shm; then
        TMPDIR=$(mktemp -d /dev/shm/buurtpoort-test.XXXXXX)
        memory=$TMPDIR
    fi
    export TMPDIR
    # What is measured with a clock runs by itself, after the rest.
    if cargo nextest --version >/dev/null 2>&1; then
        local run=(cargo nextest run --locked --no-fail-fast --status-level fail --final-status-level fail)
        "${run[@]}" -E 'not test(/^timing::ora/)'
        "${run[@]}" --test-threads 1 -E 'test(/^timing::ora/)'
    else
        cargo test --locked --lib --bins --tests --no-fail-fast -- --skip timing::ora
        cargo test --locked --test it timing::ora -- --test-threads 1
    fi
}

step_doctests() { cargo test --locked --doc --quiet; }

step_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --document-private-items
}

step_licences() {
    need_cargo_deny
    cargo deny --locked check --hide-inclusion-graph bans licenses sources
    # cargo-deny fetches the database itself; an older copy is better than none.
    timeout 60 cargo deny --locked fetch db >/dev/null 2>&1 || true
    if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/" >/dev/null; then
        cargo deny --locked --offline check --hide-inclusion-graph advisories
    else
        say "NOT CHECKED: security advisories. Their database cannot be reached from here and no copy is here."
    fi
}

step_demo() {
    need_postgres
    need_program python3 python3
    need_program psql postgresql-client
    cargo build --locked --release --quiet
    play_story "$work/demo-sqlite"
    PGOPTIONS="-c client_min_messages=warning" \
        psql "$BUURTPOORT_TEST_POSTGRES" --quiet --no-psqlrc -v ON_ERROR_STOP=1 \
        -c 'DROP DATABASE IF EXISTS buurtpoort_demo' -c 'CREATE DATABASE buurtpoort_demo'
    local address=${BUURTPOORT_TEST_POSTGRES%/*}/buurtpoort_demo
    if [ -n "${BUURTPOORT_TEST_POSTGRES_CA:-}" ]; then
        address="$address?sslmode=verify-full&sslrootcert=$BUURTPOORT_TEST_POSTGRES_CA"
    fi
    play_story "$work/demo-postgres" --database "$address"
    psql "$BUURTPOORT_TEST_POSTGRES" --quiet --no-psqlrc -c 'DROP DATABASE buurtpoort_demo'
}

# play_story DIR [OPTION…]: the demo's story to its end, on three free ports.
play_story() {
    local dir=$1 api portal admin _
    shift
    read -r api portal admin _ < <(free_ports)
    say "the story in ${dir##*/}"
    timeout 300 cargo run --locked --release --quiet -- demo --exit-after-story --dir "$dir" \
        --api-port "$api" --portal-port "$portal" --admin-port "$admin" "$@"
}

step_pages() {
    need_node
    need_program python3 python3
    [ -n "${CHROMIUM:-}" ] || need_program chromium chromium
    npm_ci src/portal/assets
    (cd src/portal/assets && npm run --silent check)
    npm_ci tests/browser
    cargo build --locked --release --quiet
    local dir=$work/demo-pages api portal admin sign_in pid
    read -r api portal admin sign_in < <(free_ports)
    target/release/buurtpoort demo --dir "$dir" --api-port "$api" --portal-port "$portal" \
        --admin-port "$admin" --sign-in-port "$sign_in" >"$work/demo-pages.log" 2>&1 &
    pid=$!
    for _ in $(seq 120); do
        grep -q '^Pages' "$work/demo-pages.log" && break
        kill -0 "$pid" || die "the demo ended: $(tail -n 5 "$work/demo-pages.log")"
        sleep 1
    done
    local result=0
    browse "$dir" "$portal" "$sign_in" || result=$?
    kill "$pid"
    wait "$pid" || true
    return "$result"
}

# browse DIR PORTAL-PORT SIGN-IN-PORT: the story, and signing in with a certificate and by a provider, against a demo
# that serves.
browse() {
    local program=target/release/buurtpoort portal=https://localhost:$2
    local CHROMIUM=${CHROMIUM:-$(command -v chromium)}
    export CHROMIUM
    timeout 1200 node tests/browser/story.mjs "$program" "$1" "$portal" target/pages || return
    timeout 300 node tests/browser/certificate.mjs "$program" "$1" "$portal" "https://localhost:$3" target/pages || return
    timeout 300 \
        node tests/browser/sign_in.mjs "$program" "$1" "$portal"
}

step_api() {
    mkdir -p target
    cargo run --locked --quiet -- openapi >target/openapi.json
    if ! [ -e "$RULESET" ]; then
        say "NOT CHECKED: the API design rules. Their ruleset is not at $RULESET."
        return
    fi
    need_spectral
    "$tools/spectral/node_modules/.bin/spectral" lint --ruleset "$RULESET" --fail-severity error \
        target/openapi.json
}

[ $# -gt 0 ] || set -- "${STEPS[@]}"
for wanted; do
    [[ " ${STEPS[*]} " == *" $wanted "* ]] || {
        rm -rf "$work"
        die "no step is called $wanted (there are: ${STEPS[*]})"
    }
done
trap 'finish "$@"' EXIT
trap 'exit 130' INT TERM
for step; do
    say "$step"
    "step_$step"
done
