# What is typed often; `just` lists it. The one command that decides is scripts/test.sh.

# Lists the recipes.
default:
    @just --list --unsorted

# Everything a change must pass, or only the steps named.
test *steps:
    scripts/test.sh {{steps}}

# The quick round while writing: formatting, lints, tests.
check: (test "format" "lints" "tests")

# Formats the sources.
format:
    cargo fmt

# A gateway with made-up families, that plays its story and keeps serving.
demo *options:
    cargo run --release -- demo {{options}}

# The documentation of the code, in a browser.
docs:
    cargo doc --no-deps --document-private-items --open

# The description of the API, as served.
openapi:
    cargo run --quiet -- openapi

# The binary as it is deployed.
dist:
    cargo build --locked --profile dist

# A throw-away PostgreSQL server in target/postgres.
postgres:
    scripts/postgres.sh start target/postgres

# Stops and deletes it.
postgres-stop:
    scripts/postgres.sh stop target/postgres
