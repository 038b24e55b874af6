"""One process beside two where a view computes: nothing was published about it, so there is nothing to decide."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs
from common.results.questions import Question

BASELINES = ("gunicorn_sync_compute",)
QUESTIONS = (
    Question(
        "gunicorn_sync_2_workers_compute",
        "gunicorn_sync_compute",
        path="/",
        about="A view that only computes, two processes against one",
        more="Of a view that only computes, two processes serve {ratio} what one serves.",
        less="Of a view that only computes, one process serves {inverse} what two serve.",
        same="Of a view that only computes, a second process gains nothing, within 5%.",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    yield from ()
