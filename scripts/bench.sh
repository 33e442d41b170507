#!/usr/bin/env bash
# How fast the gateway is, beside what it stands on: PostgreSQL without us, nginx without our work.
#
#   scripts/bench.sh          rounds of 4 seconds: about five minutes after the build
#   scripts/bench.sh quick    rounds of 1 second: about two minutes
#
# Prints a table of medians, and the ratios that are our goals with the distance to them. Only ratios of one
# run mean anything: every round measures everything once, so that a busy machine slows all alike. The
# load generator runs on the same machine and counts against everyone too.
#
# What is measured: referrals over mutual TLS until they are durable (SQLite, PostgreSQL); the same with
# one transaction per request; both again with 2 ms added to each sync of PostgreSQL (its own
# commit_delay, which sleeps before the sync under the same lock; SQLite has nothing of the kind);
# pgbench with two inserts and with our six; nginx answering the same POST from a fixed text; full
# handshakes; ledger entries beside raw commits of the same rows; a ledger of a million entries verified; and how well linkage
# knows a family again, on made-up ones. CPU is that of the server's processes
# (/proc/PID/stat), without the database's.
#
# What is missing is installed as root, otherwise it is named. Binds 127.0.0.1 only. Stops what it
# starts. Exit code 0 when every figure was taken and every "at least" is met, 1 otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never} DEBIAN_FRONTEND=noninteractive LC_ALL=C

ROUNDS=3 seconds=4 warm_up_ms=500 round_ms=1000
case ${1:-} in
    '') ;;
    quick) seconds=1 warm_up_ms=200 round_ms=400 ;;
    *)
        sed -n '2,5p' "$0" >&2
        exit 3
        ;;
esac
CONNECTIONS=32
# Debian keeps nginx where only root looks.
PATH=$PATH:/usr/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/buurtpoort-bench.XXXXXX")
chmod 0711 "$work"
declare -A process # name: pid
single=yes         # whether this program can be told to commit each request by itself

say() { printf '== %4ss  %s\n' "$SECONDS" "$*" >&2; }
die() {
    say "$*"
    exit 1
}

stop() {
    local pid=${process[$1]:-} waited=0
    [ -n "$pid" ] || return 0
    unset "process[$1]"
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt 150 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    kill -KILL "$pid" 2>/dev/null || true
}

finish() {
    local result=$? name
    trap - EXIT
    for name in "${!process[@]}"; do stop "$name"; done
    [ ! -e "$work/server" ] || scripts/postgres.sh stop "$work/server" || true
    if [ "$result" -gt 1 ]; then
        tail -n 3 "$work"/*.log >&2 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$result"
}
trap finish EXIT
trap 'exit 130' INT TERM

need() {
    command -v "$1" >/dev/null && return
    [ "$(id -u)" -eq 0 ] || die "missing: $1 (as root: apt-get install $2)"
    say "installing $2"
    # Debian starts a service it installs; this one is only wanted as a program.
    apt-get update -qq
    RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$2" >"$work/apt.log" 2>&1 ||
        die "apt-get install $2: $(tail -n 3 "$work/apt.log")"
}

# free_ports COUNT: ports that nobody listens on, below those the system gives to clients.
free_ports() {
    python3 - "$1" <<'PYTHON'
import random, socket, sys

held = {}
while len(held) < int(sys.argv[1]):
    port, one = random.randrange(20000, 32000), socket.socket()
    try:
        one.bind(("127.0.0.1", port))
        held[port] = one
    except OSError:
        pass
for one in held.values():
    one.close()  # before the answer: whoever reads it does not wait for this program to end
print(*held)
PYTHON
}

# What is measured

program=target/release/buurtpoort load=target/release/examples/load ledger=target/release/examples/ledger
verify=target/release/examples/verify

# play DIR [OPTION…]: a demo's directory with everything in it, and its story told.
play() {
    local dir=$1 api portal admin
    shift
    read -r api portal admin < <(free_ports 3)
    timeout 120 "$program" demo --exit-after-story --dir "$dir" --api-port "$api" \
        --portal-port "$portal" --admin-port "$admin" "$@" >"$work/demo.log" 2>&1 ||
        die "the demo fails: $(tail -n 3 "$work/demo.log")"
}

# derive FROM NAME [LINE]: the same deployment as FROM, on ports of its own, without the stamp that
# `serve` refuses, and with LINE in its limits.
derive() {
    local dir=$work/$2 api portal admin
    cp -a "$1" "$dir"
    rm "$dir/DEMO"
    read -r api portal admin < <(free_ports 3)
    sed -i -e "s/^api = .*/api = \"127.0.0.1:$api\"/" \
        -e "s/^portal = .*/portal = \"127.0.0.1:$portal\"/" \
        -e "s/^admin = .*/admin = \"127.0.0.1:$admin\"/" "$dir/buurtpoort.toml"
    printf '\n[limits]\nrequests-per-second = 1000000\n%s\n' "${3:-}" >>"$dir/buurtpoort.toml"
}

# serve NAME: a gateway in the background, once it is ready.
serve() {
    local config=$work/$1/buurtpoort.toml waited=0
    "$program" serve --config "$config" >"$work/$1.log" 2>&1 &
    process[$1]=$!
    until "$program" healthcheck --config "$config" >/dev/null 2>&1; do
        kill -0 "${process[$1]}" 2>/dev/null || die "$1: $(tail -n 1 "$work/$1.log")"
        waited=$((waited + 1))
        [ "$waited" -lt 100 ] || die "$1 does not get ready"
        sleep 0.1
    done
}

serve_nginx() {
    local pki=$work/demo-sqlite/pki reply
    reply=$(head -c 900 /dev/zero | tr '\0' x)
    read -r nginx_port < <(free_ports 1)
    cat >"$work/nginx.conf" <<CONF
daemon off;
worker_processes 2;
pid $work/nginx.pid;
error_log $work/nginx.log error;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $work/nginx-body; proxy_temp_path $work/nginx-proxy;
    fastcgi_temp_path $work/nginx-fastcgi; uwsgi_temp_path $work/nginx-uwsgi;
    scgi_temp_path $work/nginx-scgi;
    keepalive_requests 100000000;
    server {
        listen 127.0.0.1:$nginx_port ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate $pki/server/cert.pem;
        ssl_certificate_key $pki/server/key.pem;
        ssl_verify_client on;
        ssl_client_certificate $pki/ca.pem;
        ssl_crl $pki/ca.crl.pem;
        ssl_session_cache off;
        ssl_session_tickets off;
        default_type application/json;
        location = /v1/referrals { return 201 '{"id":"$reply"}'; }
        location / { return 200 '{}'; }
    }
}
CONF
    nginx -e "$work/nginx.log" -p "$work" -c "$work/nginx.conf" 2>>"$work/nginx.log" &
    process[nginx]=$!
    sleep 0.5
    kill -0 "${process[nginx]}" 2>/dev/null || die "nginx: $(tail -n 1 "$work/nginx.log")"
}

# pids NAME: --pid options for a server and its children.
pids() {
    local pid
    for pid in "${process[$1]}" $(pgrep -P "${process[$1]}" || true); do printf -- '--pid %s ' "$pid"; done
}

# keep NAME JSON: one figure for the table.
keep() { printf '{"what": "%s", %s\n' "$1" "${2#\{}" >>"$work/figures"; }

# send NAME SERVER MODE [OPTION…]: one round against a gateway, or nginx.
send() {
    local name=$1 server=$2 mode=$3 dir=$work/$2
    shift 3
    [ "$server" != nginx ] || {
        dir=$work/demo-sqlite
        set -- "$@" --address "127.0.0.1:$nginx_port"
    }
    # shellcheck disable=SC2046 # one option and its value each
    keep "$name" "$("$load" "$mode" --dir "$dir" --seconds "$seconds" --warm-up-ms "$warm_up_ms" \
        --connections "$CONNECTIONS" $(pids "$server") "$@")"
}

# pgbench_round NAME SCRIPT: one round of 16 clients on the same server, over the same TLS.
pgbench_round() {
    local rate
    rate=$(pgbench --no-vacuum --protocol prepared --client 16 --jobs 2 --time "$seconds" \
        --define "facts=\\x$(openssl rand -hex "$facts_bytes")" \
        --define "identity=\\x$(openssl rand -hex "$identity_bytes")" \
        --define "leaf=\\x$(openssl rand -hex "$leaf_bytes")" \
        --file "$work/$2" "$address" 2>"$work/pgbench.log" | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
    [ -n "$rate" ] || die "pgbench: $(tail -n 1 "$work/pgbench.log")"
    keep "$1" "{\"rps\": $rate, \"errors\": 0}"
}

sql() { psql "$address" --quiet --no-psqlrc --tuples-only --no-align -v ON_ERROR_STOP=1 "$@"; }

# Scratch tables with the columns, checks and indexes of ours, as long as ours; no triggers, no keys
# of others, and no head of a ledger for all to wait for.
make_scratch() {
    read -r facts_bytes identity_bytes leaf_bytes < <(sql --field-separator ' ' -c 'SELECT
        (SELECT round(avg(length(facts))) FROM case_file),
        (SELECT round(avg(length(field_groups))) FROM identity),
        (SELECT round(avg(length(leaf))) FROM audit_entry)')
    sql -c 'CREATE SCHEMA bench' -c 'CREATE SEQUENCE bench.seq'
    local table
    for table in referral case_file case_key identity idempotency audit_entry; do
        sql -c "CREATE TABLE bench.$table (LIKE public.$table INCLUDING ALL)"
    done
    cat >"$work/two.sql" <<'SQL'
BEGIN;
INSERT INTO bench.identity VALUES (gen_random_uuid(), 1, :identity::text::bytea);
INSERT INTO bench.audit_entry VALUES (nextval('bench.seq'), :leaf::text::bytea, decode(repeat('07', 32), 'hex'), 1, 'referral.accepted', 'allow', 'x');
END;
SQL
    cat >"$work/six.sql" <<'SQL'
BEGIN;
SELECT gen_random_uuid() AS referral, gen_random_uuid() AS kase \gset
INSERT INTO bench.referral VALUES (:referral::text::uuid, :referral::text::uuid, :kase::text::uuid, 'wijkteam', 'received', 'received', 1, 1, 1);
INSERT INTO bench.case_file VALUES (:kase::text::uuid, :referral::text::uuid, :referral::text::uuid, NULL, 'new', 'wijkteam', 'regular', 'GM0268', 'WK026801', 'one-parent', '4-11', 1, :facts::text::bytea, 1, 1, 1);
INSERT INTO bench.case_key VALUES (:kase::text::uuid, 1, decode(repeat('07', 61), 'hex'));
INSERT INTO bench.identity VALUES (:kase::text::uuid, 1, :identity::text::bytea);
INSERT INTO bench.idempotency VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), decode(repeat('07', 32), 'hex'), 201, :referral::text::uuid, 1);
INSERT INTO bench.audit_entry VALUES (nextval('bench.seq'), :leaf::text::bytea, decode(repeat('07', 32), 'hex'), 1, 'referral.accepted', 'allow', 'x');
END;
SQL
}

# delay US: what PostgreSQL waits before each sync.
delay() {
    sql -c "ALTER SYSTEM SET commit_delay = $1" -c 'ALTER SYSTEM SET commit_siblings = 0' \
        -c 'SELECT pg_reload_conf()' >/dev/null
    sleep 0.3
}

prepare() {
    need openssl openssl
    need python3 python3
    need nginx nginx-light
    need psql postgresql-client
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || need initdb postgresql
    command -v pgbench >/dev/null ||
        PATH=$PATH:$(dirname "$(find /usr/lib/postgresql/*/bin -name pgbench | sort -V | tail -n 1)")
    say "building"
    cargo build --locked --release --quiet --bins --examples
    SECONDS=0
    say "two demos, four gateways, nginx"
    scripts/postgres.sh start "$work/server" >/dev/null
    # shellcheck source=/dev/null
    . "$work/server/environment"
    address="$BUURTPOORT_TEST_POSTGRES?sslmode=verify-full&sslrootcert=$BUURTPOORT_TEST_POSTGRES_CA"
    play "$work/demo-sqlite"
    play "$work/demo-postgres" --database "$address"
    derive "$work/demo-sqlite" sqlite
    derive "$work/demo-sqlite" sqlite-single 'group = 1'
    derive "$work/demo-postgres" postgres
    derive "$work/demo-postgres" postgres-single 'group = 1'
    serve sqlite
    serve postgres
    if "$program" check --config "$work/sqlite-single/buurtpoort.toml" >"$work/check.log" 2>&1; then
        serve sqlite-single
        serve postgres-single
    else
        single=no
        say "no figures with one per commit: $(tail -n 1 "$work/check.log")"
    fi
    serve_nginx
    make_scratch
}

measure() {
    local round
    for round in $(seq "$ROUNDS"); do
        say "round $round of $ROUNDS"
        send 'referrals, SQLite' sqlite referrals
        send 'referrals, PostgreSQL' postgres referrals
        pgbench_round 'pgbench, two inserts, 16 clients' two.sql
        pgbench_round 'pgbench, our six inserts, 16 clients' six.sql
        send 'nginx, fixed answer to the same POST' nginx referrals
        if [ "$single" = yes ]; then
            send 'referrals, SQLite, one per commit' sqlite-single referrals
            send 'referrals, PostgreSQL, one per commit' postgres-single referrals
        fi
        send 'GET without token or database' sqlite get
        send 'full handshakes, nginx' nginx handshake
        send 'full handshakes' sqlite handshake
        delay 2000
        send 'referrals, PostgreSQL, sync + 2 ms' postgres referrals
        [ "$single" = no ] ||
            send 'referrals, PostgreSQL, sync + 2 ms, one per commit' postgres-single referrals
        delay 0
    done
    stop sqlite
    stop postgres
    local kind
    for kind in sqlite postgres; do
        keep "ledger, $kind" "$("$ledger" --config "$work/$kind/buurtpoort.toml" \
            --rounds "$ROUNDS" --round-ms "$round_ms")"
    done
    keep 'ledger verified' "$("$verify")"
}

# Medians, ratios, goals.
report() {
    python3 - "$work" <<'PYTHON'
import json, os, platform, statistics, sys, time

work = sys.argv[1]
figures = {}
for line in open(f"{work}/figures"):
    figure = json.loads(line)
    figures.setdefault(figure.pop("what"), []).append(figure)


def median(what, field):
    values = [f[field] for f in figures.get(what, []) if f.get(field) is not None]
    return statistics.median(values) if values else None


def sync_us():
    with open(f"{work}/sync", "wb", buffering=0) as file:
        took = []
        for _ in range(200):
            file.write(b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - start)
    return statistics.median(took) * 1e6


def cell(value, form):
    return "" if value is None else form.format(value)


print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()} "
      f"{platform.release()}, an fdatasync takes {sync_us():.0f} µs\n")
print(f"{'medians':<54}{'req/s':>9}{'spread':>14}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}{'errors':>8}")
failed = False
for what, all_of in figures.items():
    if what.startswith("ledger"):
        continue
    rates = [f["rps"] for f in all_of]
    errors = sum(f["errors"] for f in all_of)
    failed |= errors > 0
    print(f"{what:<54}{median(what, 'rps'):>9,.0f}{f'{min(rates):,.0f}-{max(rates):,.0f}':>14}"
          f"{cell(median(what, 'p50_ms'), '{:.1f}'):>8}{cell(median(what, 'p99_ms'), '{:.1f}'):>8}"
          f"{cell(median(what, 'server_cpu_us'), '{:.0f}'):>8}{errors:>8}")
for kind in ("sqlite", "postgres"):
    for f in figures.get(f"ledger, {kind}", []):
        print(f"{'ledger entries, ' + f['database'] + ', ' + str(f['batch']) + ' a commit':<54}"
              f"{f['entries_per_s']:>9,.0f}\n{'raw commits, the same rows and batch':<54}{f['raw_rows_per_s']:>9,.0f}")


def ratio(above, below, field):
    a, b = median(above, field), median(below, field)
    return a / b if a and b else None


def goal(name, value, least, aim, more_is_better=True):
    global failed
    if value is None:
        print(f"{name:<66}{'NOT MEASURED':>12}")
        failed = True
        return
    met = value >= least if more_is_better else value <= least
    failed |= not met
    sign = "≥" if more_is_better else "≤"
    away = value / aim if more_is_better else aim / value
    print(f"{name:<66}{value:>7.2f}  {sign} {least:<5g} {sign} {aim:<5g} "
          f"{min(away, 9.99):>6.0%}  {'PASS' if met else 'BELOW'}")


postgres, sqlite = "referrals, PostgreSQL", "referrals, SQLite"
nginx, two = "nginx, fixed answer to the same POST", "pgbench, two inserts, 16 clients"
six = "pgbench, our six inserts, 16 clients"
slow = f"{postgres}, sync + 2 ms"
print(f"\n{'goals':<66}{'ratio':>7}  {'least':<7} {'aim':<7} {'of aim':>6}")
goal("durable referrals/s, PostgreSQL ÷ pgbench 16 clients, same inserts", ratio(postgres, six, "rps"), 0.5, 1.0)
goal("CPU per durable referral, PostgreSQL ÷ nginx mTLS", ratio(postgres, nginx, "server_cpu_us"), 25, 10, False)
goal("CPU per durable referral, SQLite ÷ nginx mTLS", ratio(sqlite, nginx, "server_cpu_us"), 25, 10, False)
goal("group commit ÷ one per commit, PostgreSQL, 2 ms added to each sync", ratio(slow, f"{slow}, one per commit", "rps"), 6, 10)
goal("full-handshake CPU ÷ nginx (ours with ML-KEM-768)", ratio("full handshakes", "full handshakes, nginx", "server_cpu_us"), 0.7, 0.5, False)
for kind in ("sqlite", "postgres"):
    goal(f"ledger entries/s ÷ raw commits/s, same batch, {kind}", median(f"ledger, {kind}", "ratio"), 0.5, 0.8)
goal("a million entries verified, seconds on one core", median("ledger verified", "verify_s"), 10, 5, False)
print("\nwithout a goal")
for name, value in (
    ("durable referrals/s, PostgreSQL ÷ pgbench 16 clients, two inserts", ratio(postgres, two, "rps")),
    ("group commit ÷ one per commit, PostgreSQL, sync as it is", ratio(postgres, f"{postgres}, one per commit", "rps")),
    ("ledger verified ÷ its leaves merely hashed, time", median("ledger verified", "ratio")),
    ("group commit ÷ one per commit, SQLite, sync as it is", ratio(sqlite, f"{sqlite}, one per commit", "rps")),
):
    print(f"{name:<70}{cell(value, '{:.2f}'):>7}")
sys.exit(failed)
PYTHON
}

# Not a speed: how well a family that is referred twice is known again.
linkage() {
    cargo test --locked --quiet --test it -- linkage::a_family_that_comes_back --nocapture 2>&1 | grep '^linkage' || true
}

prepare
measure
linkage
report
