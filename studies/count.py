"""The claims of github.com/slow999/DjangoAndAsyncCompare on 300 requests at once that count a million rows."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs, decide, per_second
from common.results.record import Measured

BASELINES = ("nginx_uwsgi_count", "nginx_uwsgi_count_remote")
SYNC, ASYNC = "nginx_uwsgi_count", "nginx_gunicorn_uvicorn_count"


def claims(runs: Runs) -> Iterator[Claim]:
    for text, suffix, least in (
        ("with a local database async is somewhat faster (rule: at least 1.05 times)", "", 1.05),
        ("with a remote, slow database async significantly outperforms (rule: at least 2 times)", "_remote", 2.0),
    ):
        yield decide(
            text,
            {
                f"{name} req/s": runs.median(per_second, scenario + suffix, "/polls/")
                for name, scenario in (("async", ASYNC), ("sync", SYNC))
            },
            lambda asynchronous, synchronous, least=least: asynchronous >= least * synchronous,
        )
    yield decide(
        "sync's response time grows with the place in the queue (rule: the median is 0.35 to 0.65 of the longest)",
        {"sync median over longest": runs.median(middle_over_longest, SYNC, "/polls/")},
        lambda share: 0.35 <= share <= 0.65,
    )
    yield decide(
        "async's response time is nearly the same for all (rule: the median is at least 0.85 of the longest)",
        {"async median over longest": runs.median(middle_over_longest, ASYNC, "/polls/")},
        lambda share: share >= 0.85,
    )


def middle_over_longest(load: Measured) -> float | None:
    """Of one burst: the time of the request in the middle of the queue over that of the last."""
    middle, longest = load.metrics.latency(50), load.metrics.latency(100)
    return middle / longest if middle and longest else None
