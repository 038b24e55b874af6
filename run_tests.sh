#!/bin/sh
# Checks and tests everything: ruff, mypy, pytest. Arguments go to pytest: ./run_tests.sh -k loadgen
# Two test files run at a time; -n 0 runs them one after the other.
set -eu
cd "$(dirname "$0")"
. common/setup.sh
install requirements-dev.txt
"$python" -m ruff format --check --quiet . || fail "ruff format would change these files: .venv/bin/ruff format ."
"$python" -m ruff check --quiet .
"$python" -m mypy
exec "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
