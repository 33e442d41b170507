#!/usr/bin/env bash
# A throw-away PostgreSQL server: for the tests, the benchmark, and anyone who wants to look around.
#
#   scripts/postgres.sh start DIR    makes a server in DIR (new or empty) and starts it
#   scripts/postgres.sh stop DIR     stops it and deletes what `start` made; DIR itself too
#
# `start` prints two lines to put into the environment:
#
#   BUURTPOORT_TEST_POSTGRES=postgres://postgres:…@127.0.0.1:PORT/postgres   (superuser, TCP)
#   BUURTPOORT_TEST_POSTGRES_CA=DIR/ca.pem                                   (signs the server's certificate)
#
# The same lines stand in DIR/environment (`set -a; . DIR/environment; set +a`). The server listens on 127.0.0.1 only, on a
# free port, and on a Unix socket in DIR/socket. TLS is on: its certificate is for `localhost` and
# 127.0.0.1, signed by an authority made for this server. Commits are durable, as they must be in
# production: a test of durability on a server without fsync would prove nothing. It logs no row, no
# parameter and no statement.
#
# PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody` where there is none.
set -euo pipefail

usage() {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

die() {
    echo "postgres.sh: $*" >&2
    exit 1
}

# The newest PostgreSQL on this machine: Debian keeps each major version in a folder of its own.
find_programs() {
    local newest
    newest=$(find /usr/lib/postgresql/*/bin -maxdepth 1 -name initdb 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$newest" ]; then
        dirname "$newest"
    elif command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/initdb" ]; then
        pg_config --bindir
    elif command -v initdb >/dev/null; then
        dirname "$(command -v initdb)"
    else
        die "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
    fi
}

# Runs a command as the owner of the server: ourselves, unless we are root.
as_owner() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && runuser -u "$owner" -- "$@")
    else
        "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A certificate authority that lives as long as the server, and one certificate under it.
make_certificate() {
    local made
    made=$(mktemp -d)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -subj "/CN=throw-away PostgreSQL authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
        -keyout "$made/ca.key" -out "$made/ca.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" \
        -keyout "$made/server.key" -out "$made/server.csr" 2>/dev/null
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
        "extendedKeyUsage=serverAuth" "subjectAltName=DNS:localhost,IP:127.0.0.1" >"$made/extensions"
    openssl x509 -req -in "$made/server.csr" -CA "$made/ca.pem" -CAkey "$made/ca.key" \
        -set_serial "0x$(openssl rand -hex 8)" -days 30 -extfile "$made/extensions" \
        -out "$made/server.pem" 2>/dev/null
    cp "$made/ca.pem" "$dir/ca.pem"
    chmod 0644 "$dir/ca.pem"
    cp "$made/server.pem" "$made/server.key" "$dir/server/"
    chmod 0600 "$dir/server/server.key"
    rm -rf "$made"
}

configure() {
    cat >>"$dir/server/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir/socket'
max_connections = 200
ssl = on
ssl_cert_file = '$dir/server/server.pem'
ssl_key_file = '$dir/server/server.key'
ssl_min_protocol_version = 'TLSv1.3'
fsync = on
full_page_writes = on
synchronous_commit = on
log_error_verbosity = terse
log_min_error_statement = panic
log_statement = none
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
CONF
    # The password keeps other users of this machine out: a superuser may run programs.
    cat >"$dir/server/data/pg_hba.conf" <<HBA
local all all              trust
host  all all 127.0.0.1/32 password
HBA
}

start() {
    if [ -e "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
        die "$dir is not empty"
    fi
    local programs password port attempt
    programs=$(find_programs)
    password=$(openssl rand -hex 16)
    mkdir -p "$dir/server" "$dir/socket"
    chmod 0711 "$dir"
    chmod 0700 "$dir/server" "$dir/socket"
    : >"$dir/.throw-away-postgres"
    make_certificate
    printf '%s\n' "$password" >"$dir/server/password"
    if [ "$(id -u)" -eq 0 ]; then
        chown -R "$owner" "$dir/server" "$dir/socket"
        as_owner test -x "$dir/server" || die "$owner cannot reach $dir: choose a folder under /tmp"
    fi
    as_owner "$programs/initdb" --pgdata "$dir/server/data" --username postgres \
        --pwfile "$dir/server/password" --auth-local trust --auth-host password \
        --encoding UTF8 --locale C --no-sync >"$dir/initdb.log" 2>&1 ||
        die "initdb failed: $(tail -n 3 "$dir/initdb.log")"
    rm "$dir/server/password"
    # Another program may take the port between our look and the server's start: then once more.
    for attempt in 1 2 3; do
        port=$(free_port)
        configure
        if as_owner "$programs/pg_ctl" start --pgdata "$dir/server/data" \
            --log "$dir/server/log" --wait --timeout 60 >/dev/null; then
            break
        fi
        [ "$attempt" -lt 3 ] || die "the server does not start: $(tail -n 3 "$dir/server/log")"
    done
    (
        umask 077
        {
            echo "BUURTPOORT_TEST_POSTGRES=postgres://postgres:$password@127.0.0.1:$port/postgres"
            echo "BUURTPOORT_TEST_POSTGRES_CA=$dir/ca.pem"
        } >"$dir/environment"
    )
    cat "$dir/environment"
}

# Stops exactly the process this folder's server wrote down, and only while that is what it is.
stop() {
    [ -e "$dir/.throw-away-postgres" ] || die "$dir was not made by this script"
    local pid waited=0
    pid=$(head -n 1 "$dir/server/data/postmaster.pid" 2>/dev/null || true)
    if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/server/data"; then
        kill -INT "$pid"
        while [ -e "/proc/$pid" ] && [ "$waited" -lt 100 ]; do
            sleep 0.1
            waited=$((waited + 1))
        done
        [ ! -e "/proc/$pid" ] || kill -QUIT "$pid" || true
    fi
    rm -rf "$dir"
}

[ $# -eq 2 ] || usage
dir=$(realpath -m -- "$2")
owner=postgres
getent passwd "$owner" >/dev/null || owner=nobody
case $1 in
    start) start ;;
    stop) stop ;;
    *) usage ;;
esac
