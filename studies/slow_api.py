"""github.com/maerteijn/django-sync-or-async published its setups but no figures, so there is nothing to decide."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs
from common.results.questions import Question

BASELINES = ("gunicorn_gthread",)
QUESTIONS = (
    Question(
        "uvicorn_asgi",
        "gunicorn_gthread",
        path="/",
        about="Three HTTP calls, the client built anew for each request",
        more="With an HTTP client built for each request, async in uvicorn serves {ratio} what 100 threads in gunicorn serve.",
        less="With an HTTP client built for each request, 100 threads in gunicorn serve {inverse} what async in uvicorn serves.",
        same="With an HTTP client built for each request, async in uvicorn and 100 threads in gunicorn serve the same, within 5%.",
    ),
    Question(
        "uvicorn_asgi_aiohttp",
        "uvicorn_asgi",
        path="/",
        about="One HTTP client for all requests",
        more="One aiohttp session for all requests, not an httpx client for each, makes the async view {ratio} as fast.",
        less="One aiohttp session for all requests makes the async view slower: an httpx client for each serves {inverse} as much.",
        same="One aiohttp session for all requests, not an httpx client for each, changes nothing, within 5%.",
    ),
    Question(
        "gunicorn_gthread_urllib3",
        "gunicorn_gthread",
        path="/",
        about="One HTTP client for all requests, in threads",
        more="One urllib3 pool for all requests, not an httpx client for each, makes the threads {ratio} as fast.",
        less="One urllib3 pool for all requests makes the threads slower: an httpx client for each serves {inverse} as much.",
        same="One urllib3 pool for all requests, not an httpx client for each, changes nothing for the threads, within 5%.",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    yield from ()
