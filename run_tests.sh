#!/bin/sh
# Checks and tests everything: ruff, mypy, pytest. Arguments go to pytest: ./run_tests.sh -k loadgen
# Two test files run at a time; -n 0 runs them one after the other. Real servers share the machine with whatever runs beside them:
# a test that fails is run once more with nothing beside it, and only what fails again is a failure.
set -eu
cd "$(dirname "$0")"
. common/setup.sh
install requirements-dev.txt
"$python" -m ruff format --check --quiet . || fail "ruff format would change these files: .venv/bin/ruff format ."
"$python" -m ruff check --quiet .
"$python" -m mypy
status=0
"$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" || status=$?
[ "$status" = 1 ] || exit "$status"
echo "What failed runs once more, with nothing beside it:"
exec "$python" -m pytest "$@" -n 0 --last-failed --last-failed-no-failures none --maxfail 5
