"""The claims of the talk "Django with WSGI & ASGI" on ten requests that each sleep 2 s."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs, decide, per_second
from common.results.record import Measured

BASELINES = ("gunicorn_sync_sleep",)
ASGI, WSGI = "gunicorn_uvicorn_sleep", "gunicorn_sync_sleep"


def claims(runs: Runs) -> Iterator[Claim]:
    for path in ("/async/non-blocking/", "/sync/blocking/"):
        yield decide(
            f"{path}: ASGI answers ten 2 s sleeps in about 2 s, WSGI in about 20 s (rule: within a fifth, by the rate of answers)",
            {
                f"{name}, seconds for ten": runs.median(seconds_for_ten, scenario, path)
                for name, scenario in (("ASGI", ASGI), ("WSGI", WSGI))
            },
            lambda asgi, wsgi: 1.6 <= asgi <= 2.4 and 16 <= wsgi <= 24,
        )
    yield decide(
        "under ASGI the blocking view has a thread for each request, the non-blocking one has a single thread",
        {f"threads, {path}": runs.median(threads, ASGI, path) for path in ("/sync/blocking/", "/async/non-blocking/")},
        lambda blocking, waiting: blocking >= 8 and waiting == 1,
    )
    yield decide(
        "under WSGI the blocking view has a single thread, the non-blocking one a new one for each request",
        {f"threads, {path}": runs.median(threads, WSGI, path) for path in ("/sync/blocking/", "/async/non-blocking/")},
        lambda blocking, waiting: blocking == 1 and waiting >= 3,
    )
    yield decide(
        "a view that only computes: WSGI serves more than ASGI (rule: at least 1.1 times as many)",
        {f"{name} req/s": runs.median(per_second, scenario, "/computation/") for name, scenario in (("WSGI", WSGI), ("ASGI", ASGI))},
        lambda wsgi, asgi: wsgi >= 1.1 * asgi,
    )


def seconds_for_ten(load: Measured) -> float:
    """All ten if they were answered; else from what was, up to the last answer: a cut-off wait says nothing."""
    last = float(load.metrics.ends[-1]) / 1000
    return last * 10 / load.metrics.ok


def threads(load: Measured) -> float | None:
    return load.counted_in_log.get("threads that resumed")
