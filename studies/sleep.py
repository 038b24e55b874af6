"""The claims of the talk "Django with WSGI & ASGI" about ten requests that each sleep 2 s."""

from collections.abc import Iterator

from common.results.claims import Claim, Place, Rule, Runs, decide, per_second
from common.results.questions import Question
from common.results.record import Measured

BASELINES = ("gunicorn_sync_sleep",)
ASGI, WSGI = "gunicorn_uvicorn_sleep", "gunicorn_sync_sleep"
BLOCKING, WAITING, COMPUTING = "/sync/blocking/", "/async/non-blocking/", "/computation/"
PUBLISHED = {
    "gunicorn_sync_sleep": [
        {"path": "/async/non-blocking/", "seconds": 20.076, "mean ms": 11036.4, "threads that resumed": 10},
        {"path": "/sync/blocking/", "seconds": 20.035, "mean ms": 11018.5, "threads that resumed": 1},
        {"path": "/computation/", "requests/s": 323, "mean ms": 6.7},
    ],
    "gunicorn_uvicorn_sleep": [
        {"path": "/async/non-blocking/", "seconds": 2.037, "mean ms": 2024.5, "threads that resumed": 1},
        {"path": "/sync/blocking/", "seconds": 2.058, "mean ms": 2045, "threads that resumed": 10},
        {"path": "/computation/", "requests/s": 217, "mean ms": 27.3},
    ],
}
QUESTIONS = (
    Question(
        ASGI,
        WSGI,
        path=WAITING,
        about="Ten waits of 2 s at once, an async view",
        more="Of an async view that waits 2 s, {in_flight} at a time, one ASGI worker serves {ratio} what one sync WSGI worker serves.",
        less="Of an async view that waits 2 s, one sync WSGI worker serves {inverse} what one ASGI worker serves.",
        same="An async view that waits 2 s is served alike under ASGI and WSGI, within 5%.",
    ),
    Question(
        ASGI,
        WSGI,
        path=BLOCKING,
        about="Ten waits of 2 s at once, a sync view",
        more="Of a sync view that blocks for 2 s, {in_flight} at a time, ASGI serves {ratio} as much: they do not run one by one.",
        less="Of a sync view that blocks for 2 s, WSGI serves {inverse} what ASGI serves.",
        same="A sync view that blocks for 2 s is served alike under both, within 5%.",
    ),
    Question(
        WSGI,
        ASGI,
        path=COMPUTING,
        about="A view that only computes",
        more="A view that only computes is served {ratio} as often under WSGI.",
        less="A view that only computes is served {inverse} as often under ASGI.",
        same="A view that only computes is served alike under both, within 5%.",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    for path in (WAITING, BLOCKING):
        yield decide(
            f"{path}: ASGI answers ten 2 s sleeps in about 2 s, WSGI in about 20 s (rule: within a fifth, by the rate of answers)",
            *(
                Rule(name, runs.value(seconds_for_ten, name, Place(scenario, path), is_time=True), 0.8 * seconds, 1.2 * seconds)
                for name, scenario, seconds in (("ASGI, seconds for ten", ASGI, 2), ("WSGI, seconds for ten", WSGI, 20))
            ),
        )
    for text, scenario, ranges in (
        ("under ASGI the blocking view has a thread for each request, the non-blocking one has a single thread", ASGI, ((8, 99), (1, 1))),
        ("under WSGI the blocking view has a single thread, the non-blocking one a new one for each request", WSGI, ((1, 1), (3, 99))),
    ):
        yield decide(
            text,
            *(
                Rule(f"threads, {path}", runs.value(threads, f"threads, {path}", Place(scenario, path)), *limits)
                for path, limits in zip((BLOCKING, WAITING), ranges, strict=True)
            ),
        )
    yield decide(
        "a view that only computes: WSGI serves more than ASGI (rule: at least 1.1 times as many)",
        Rule(
            "that ratio",
            runs.ratio(per_second, ("WSGI req/s", Place(WSGI, COMPUTING)), ("ASGI req/s", Place(ASGI, COMPUTING))),
            at_least=1.1,
        ),
    )


def seconds_for_ten(load: Measured) -> float | None:
    """The time for all ten, or extrapolated from those answered by the last answer: a cut-off wait says nothing."""
    ends = load.metrics.ends
    return float(ends[-1]) / 1000 * 10 / load.metrics.ok if len(ends) else None


def threads(load: Measured) -> float | None:
    return load.counted_in_log.get("threads that resumed")
