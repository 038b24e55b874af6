#!/bin/sh
# Every scenario, one after the other, then the tables and the page that compare them.
#
#   ./run_all.sh                          all of them, with loads of a few seconds each
#   ./run_all.sh uvicorn_asgi 'uwsgi_*'   only these
#   ./run_all.sh --list                   their names and questions
#   ./run_all.sh --full                   the published loads, some of which take minutes
#   ./run_all.sh -n 1000 -c 50 -k         a different load
#   ./run_all.sh --serve                  serve them all until Ctrl-C
#   ./run_all.sh --help                   all options
#
# Makes .venv and installs requirements.txt into it first, if needed.
set -eu
export CALLED_FROM="$PWD" # paths on the command line begin there
cd "$(dirname "$0")"
. common/setup.sh
install requirements.txt
exec "$python" -m common.suite "$@"
