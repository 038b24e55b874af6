"""The servers side by side on the smallest views: nothing was published about it, so there is nothing to decide."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs
from common.results.questions import Question

BASELINES = ("gunicorn_sync_wait",)
QUESTIONS = (
    Question(
        "uvicorn_asgi_wait",
        "gunicorn_gthread_wait",
        path="/wait/",
        about="A view that waits 100 ms, async against 100 threads",
        more="Of a view that waits 100 ms, async serves {ratio} what 100 threads serve ({rate} against {other_rate} requests a second).",
        less="Of a view that waits 100 ms, 100 threads serve {inverse} what async serves ({other_rate} against {rate} requests a second).",
        same="Of a view that waits 100 ms, async and 100 threads serve the same, within 5%: {rate} requests a second.",
    ),
    Question(
        "uvicorn_asgi_wait",
        "gunicorn_sync_wait",
        path="/wait/",
        about="The same wait, async against one sync worker",
        more="One sync worker serves {other_rate}.",
        less="One sync worker serves more: {other_rate}.",
        same="One sync worker serves the same.",
    ),
    Question(
        "uvicorn_asgi_wait",
        "gunicorn_sync_wait",
        path="/compute/",
        about="A view that only computes, async against one sync worker",
        more="Of a view that only computes, async serves {ratio} what one sync worker serves.",
        less="Of a view that only computes, one sync worker serves {inverse} what async serves.",
        same="Of a view that only computes, async and one sync worker serve the same, within 5%.",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    yield from ()
