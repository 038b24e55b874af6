"""The claims of github.com/slow999/DjangoAndAsyncCompare on 300 requests at once that count a million rows."""

from collections.abc import Iterator

from common.results.claims import Claim, Place, Rule, Runs, decide, per_second
from common.results.record import Measured

BASELINES = ("nginx_uwsgi_count", "nginx_uwsgi_count_remote")
SYNC, ASYNC, PATH = "nginx_uwsgi_count", "nginx_gunicorn_uvicorn_count", "/polls/"


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
    """All of its requests start at once: only such a load has a queue with a first and a last."""
    return load.sent.load.requests == load.sent.load.concurrency


def middle_over_longest(load: Measured) -> float | None:
    """Of one burst: the time of the request in the middle of the queue over that of the last."""
    middle, longest = load.metrics.percentile(50), load.metrics.percentile(100)
    return middle / longest if isinstance(middle, float) and isinstance(longest, float) and longest else None
