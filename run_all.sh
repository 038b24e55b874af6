#!/bin/sh
# Every scenario, one after the other, then the tables and the page that compare them.
#
#   ./run_all.sh                      all of them, each load cut short
#   ./run_all.sh uvicorn_asgi 'uwsgi_*'   these
#   ./run_all.sh --list               their names and questions
#   ./run_all.sh --full               the loads as declared, the long ones too
#   ./run_all.sh -n 1000 -c 50 -k     with another load
#   ./run_all.sh --serve              serve them all by hand until Ctrl-C
#
# Makes .venv and installs requirements.txt into it first, if need be.
set -eu
cd "$(dirname "$0")"
. common/setup.sh
install requirements.txt
exec "$python" -m common.suite "$@"
