"""Is the shape of a server read from its launch line, and rewritten in it, as the server itself understands the line?"""

import re

import pytest

from common.serving.scenario import files, read
from common.serving.shape import GREENLETS, LOOP, MANY, SYNC, THREADS, UNKNOWN, WORD, Shape, ShapeError, shape_of, with_shape

GUNICORN = "gunicorn {app} --bind {host}:{port} --backlog {backlog} --no-control-socket"


@pytest.mark.parametrize(
    ("launch", "shape"),
    [
        (GUNICORN, Shape("gunicorn", SYNC, 1, 1)),
        ("gunicorn {app} --worker-class gthread --workers 2 --threads 4 --worker-connections 100", Shape("gunicorn", THREADS, 2, 4)),
        ("gunicorn {app} -k gthread", Shape("gunicorn", THREADS, 1, 1)),
        ("gunicorn {app} --threads 4", Shape("gunicorn", THREADS, 1, 4)),  # gunicorn makes it gthread
        ("gunicorn {app} -k gevent --worker-connections=50", Shape("gunicorn", GREENLETS, 1, 50)),
        ("gunicorn {app} -k gevent", Shape("gunicorn", GREENLETS, 1, 1000)),
        ("gunicorn {app} -k asgi --worker-connections 10", Shape("gunicorn", LOOP, 1, None)),
        ("gunicorn {app} --worker-class uvicorn_worker.UvicornWorker -w 2", Shape("gunicorn", LOOP, 2, None)),
        ("gunicorn {app} --worker-class mine.Worker", Shape("gunicorn", UNKNOWN, 1, None)),
        ("gunicorn -w 4 {app}", Shape("gunicorn", SYNC, 4, 1)),
        ("gunicorn -w4 {app}", Shape("gunicorn", SYNC, 4, 1)),
        ("gunicorn {app} --workers 2 --workers 3", Shape("gunicorn", SYNC, 3, 1)),
        ("env WEB_CONCURRENCY=3 gunicorn {app}", Shape("gunicorn", SYNC, 3, 1)),
        ("env WEB_CONCURRENCY=3 gunicorn {app} --workers 2", Shape("gunicorn", SYNC, 2, 1)),
        ("uvicorn {app} --workers=3", Shape("uvicorn", LOOP, 3, None)),
        ("{python} -m uvicorn {app}", Shape("uvicorn", LOOP, 1, None)),
        ("uwsgi --http {host}:{port} --processes 3 -w module", Shape("uwsgi", SYNC, 3, 1)),
        ("uwsgi -p 2 --module {app} --enable-threads", Shape("uwsgi", SYNC, 2, 1)),
        ("uwsgi --processes %k", Shape("uwsgi", SYNC, MANY, 1)),
        ("/usr/bin/uwsgi --workers 2 --threads 8", Shape("uwsgi", THREADS, 2, 8)),
        ("uwsgi --gevent 100 --gevent-early-monkey-patch", Shape("uwsgi", GREENLETS, 1, 100)),
        ("granian --interface wsgi --port {port} --workers 1 --blocking-threads 100 {app}", Shape("granian", THREADS, 1, 100)),
        ("granian --interface wsgi {app}", Shape("granian", THREADS, 1, None)),
        ("granian --interface asginl --workers 2 {app}", Shape("granian", LOOP, 2, None)),
        ("daphne -p 8000 {app}", Shape("daphne", LOOP, 1, None)),
        ("hypercorn -b {host}:{port} -w 2 asgi:{app}", Shape("hypercorn", LOOP, 2, None)),
        ("hypercorn -b {host}:{port} -w 2 wsgi:{app}", Shape("hypercorn", THREADS, 2, None)),
        ("waitress-serve --port={port} --threads=100 {app}", Shape("waitress", THREADS, 1, 100)),
        ("waitress-serve --port={port} {app}", Shape("waitress", THREADS, 1, 4)),
        ("mod_wsgi-express start-server {module} --processes 2 --threads 8", Shape("mod_wsgi", THREADS, 2, 8)),
        ("my_server --workers 3 {app}", Shape("", UNKNOWN, 3, None)),
    ],
)
def test_the_launch_line_says_what_works(launch, shape):
    assert shape_of(launch) == shape


@pytest.mark.parametrize(
    ("launch", "processes", "threads", "rewritten"),
    [
        (GUNICORN, 1, 1, GUNICORN),
        (GUNICORN, 2, 1, GUNICORN.replace(" {app}", " --workers 2 {app}")),
        ("gunicorn -w4 {app}", 2, None, "gunicorn -w2 {app}"),
        ("gunicorn {app} -w 4 -k sync", 2, 8, "gunicorn --threads 8 {app} -w 2 -k gthread"),
        (
            "gunicorn {app} --workers=1 -k gevent --worker-connections=100",
            2,
            30,
            "gunicorn {app} --workers=2 -k gevent --worker-connections=30",
        ),
        (  # otherwise it would accept fewer connections than it has threads
            "gunicorn {app} --workers 1 -k gthread --threads 4 --worker-connections 4",
            1,
            20,
            "gunicorn {app} --workers 1 -k gthread --threads 20 --worker-connections 20",
        ),
        ("env WEB_CONCURRENCY=3 gunicorn {app}", 2, None, "env WEB_CONCURRENCY=3 gunicorn --workers 2 {app}"),
        ("{python} -m uvicorn {app} --port {port}", 2, None, "{python} -m uvicorn --workers 2 {app} --port {port}"),
        ("uwsgi -p 2 -w module", 4, 10, "uwsgi --threads 10 -p 4 -w module"),
        ("uwsgi --processes 1 --gevent 100", 2, 50, "uwsgi --processes 2 --gevent 50"),
        (
            "granian --interface wsgi --workers 1 --blocking-threads 100 --backpressure 300 {app}",
            2,
            400,
            "granian --interface wsgi --workers 2 --blocking-threads 400 --backpressure 400 {app}",
        ),
        ("waitress-serve --threads=4 {app}", 1, 200, "waitress-serve --connection-limit 200 --threads=200 {app}"),
        ("mod_wsgi-express start-server {module}", 2, None, "mod_wsgi-express start-server --processes 2 {module}"),
        ("daphne {app}", 1, None, "daphne {app}"),
        ("gunicorn {app} --log-format 'the -w 3 of it' -w 1", 2, None, "gunicorn {app} --log-format 'the -w 3 of it' -w 2"),
    ],
)
def test_only_the_numbers_are_rewritten(launch, processes, threads, rewritten):
    assert with_shape(launch, processes, threads) == rewritten


@pytest.mark.parametrize(
    ("launch", "processes", "threads", "why"),
    [
        ("daphne {app}", 2, None, "daphne has one process"),
        ("waitress-serve {app}", 2, 4, "waitress has one process"),
        ("uvicorn {app}", 1, 8, "uvicorn has no number of threads to set: a loop takes all that comes"),
        ("hypercorn wsgi:{app}", 1, 8, "hypercorn has no number of threads to set: they are its own"),
        ("my_server {app}", 1, None, "starts none of gunicorn, uvicorn"),
    ],
)
def test_what_a_server_cannot_have_is_said(launch, processes, threads, why):
    with pytest.raises(ShapeError, match=why):
        with_shape(launch, processes, threads)


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_each_scenario_can_have_another_shape(path):
    """And nothing else in its launch line changes."""
    server = read(path).server
    before = shape_of(server)
    threads = None if before.kind == LOOP else 7
    if before.program in ("daphne", "waitress"):
        with pytest.raises(ShapeError, match="has one process"):
            with_shape(server, 3, threads)
        return
    rewritten = with_shape(server, 3, threads)
    after = shape_of(rewritten)
    assert (after.program, after.processes, after.threads) == (before.program, 3, threads)
    changed = {word for word in WORD.findall(rewritten)} ^ {word for word in WORD.findall(server)}
    assert all(re.fullmatch(r"(--?[a-z-]+)?=?(\d+)?|sync|gthread", word) for word in changed)
    assert with_shape(with_shape(rewritten, before.processes), 3) == rewritten
