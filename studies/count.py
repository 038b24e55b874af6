"""The claims of github.com/slow999/DjangoAndAsyncCompare about 300 requests at once that count a million rows."""

from collections.abc import Iterator

from common.results.claims import Claim, Place, Rule, Runs, decide, per_second
from common.results.questions import Question
from common.results.record import Measured

BASELINES = ("nginx_uwsgi_count", "nginx_uwsgi_count_remote")
SYNC, ASYNC, PATH = "nginx_uwsgi_count", "nginx_gunicorn_uvicorn_count", "/polls/"
PUBLISHED = {
    "nginx_gunicorn_uvicorn_count": [
        {"path": "/polls/", "seconds": 8.647, "requests/s": 34.69, "mean ms": 8118, "p50 ms": 8600, "p95 ms": 8606, "max ms": 8607},
    ],
    "nginx_uwsgi_count": [
        {"path": "/polls/", "seconds": 9.957, "requests/s": 30.13, "mean ms": 4992, "p50 ms": 5026, "p95 ms": 9454, "max ms": 9918},
    ],
}
QUESTIONS = (
    Question(
        ASYNC,
        SYNC,
        path=PATH,
        about="A count that keeps the database busy",
        more="With the database near, async serves {ratio} what sync serves.",
        less="With the database near, sync serves {inverse} what async serves.",
        same="With the database near, async and sync serve the same, within 5%.",
    ),
    Question(
        f"{ASYNC}_remote",
        f"{SYNC}_remote",
        path=PATH,
        about="A count that waits a second for the database",
        more="With a second's wait for the database and {in_flight} requests at a time, async serves {ratio} what one sync worker serves.",
        less="With a second's wait for the database, one sync worker serves {inverse} what async serves.",
        same="With a second's wait for the database, async and one sync worker serve the same, within 5%.",
    ),
    Question(
        "nginx_uwsgi_threads_count_remote",
        f"{ASYNC}_remote",
        path=PATH,
        about="The same wait, 300 threads against async",
        more="300 uWSGI threads serve {ratio} what async serves.",
        less="Async serves {inverse} what 300 uWSGI threads serve.",
        same="300 uWSGI threads serve the same as async, within 5%.",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    for text, suffix, least in (
        ("with a local database async is somewhat faster (rule: at least 1.05 times)", "", 1.05),
        ("with a remote, slow database async significantly outperforms (rule: at least 2 times)", "_remote", 2.0),
    ):
        sides = (("async req/s", Place(ASYNC + suffix, PATH)), ("sync req/s", Place(SYNC + suffix, PATH)))
        yield decide(text, Rule("that ratio", runs.ratio(per_second, *sides), at_least=least))
    yield decide(
        "sync's response time grows with the place in the queue (rule: the median is 0.35 to 0.65 of the longest)",
        Rule(
            "that share",
            runs.value(middle_over_longest, "sync median over longest", Place(SYNC, PATH), is_one_burst, is_time=True),
            0.35,
            0.65,
        ),
    )
    yield decide(
        "async's response time is nearly the same for all (rule: the median is at least 0.85 of the longest)",
        Rule(
            "that share",
            runs.value(middle_over_longest, "async median over longest", Place(ASYNC, PATH), is_one_burst, is_time=True),
            at_least=0.85,
        ),
    )


def is_one_burst(load: Measured) -> bool:
    """All its requests start at once: only such a load has a queue with a first and a last."""
    return load.sent.load.requests == load.sent.load.concurrency


def middle_over_longest(load: Measured) -> float | None:
    """For one burst: the time of the request in the middle of the queue relative to the last one's."""
    middle, longest = load.metrics.percentile(50), load.metrics.percentile(100)
    return middle / longest if isinstance(middle, float) and isinstance(longest, float) and longest else None
