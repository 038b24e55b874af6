"""The servers side by side on the smallest views: nothing was published about it, so there is nothing to decide."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs
from common.results.questions import Question
from common.results.ranking import Ranking

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
        more="Of a view that waits 100 ms, one sync worker serves {other_rate} requests a second.",
        less="Of a view that waits 100 ms, one sync worker serves more than async: {other_rate} requests a second.",
        same="Of a view that waits 100 ms, one sync worker serves as many requests a second as async.",
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
    Ranking(
        path="/wait/",
        metric="req/s",
        leads="Most waiting requests: {names} serves {value} a second, {ratio} what {second} serves; {in_flight} in flight allow {ideal}.",
        level="Most waiting requests, too near to tell apart: {names} a second; {in_flight} in flight allow {ideal}.",
        farthest="Fewest: {name}, {value}.",
    ),
    Ranking(
        path="/compute/",
        metric="CPU ms/req",
        leads="Least CPU where the view computes: {names} uses {value} ms a request; {second} uses {ratio} that.",
        level="Least CPU where the view computes, too near to tell apart: {names} ms a request.",
        farthest="Most: {name}, {value}.",
    ),
    Ranking(
        path="/wait/",
        metric="MB",
        leads="Least memory with {in_flight} requests in flight: {names} needs {value} MB, the site included; {second} needs {ratio} that.",
        level="Least memory with {in_flight} requests in flight, too near to tell apart: {names} MB, the site included.",
        farthest="Most: {name}, {value}.",
        but={"gunicorn_sync_wait": "it holds one at a time", "waitress_default_wait": "it holds 4 at a time"},
    ),
    Question(
        "waitress_default_wait",
        "waitress_threads_wait",
        path="/wait/",
        about="waitress with its 4 threads against 100",
        more="With its default of 4 threads waitress serves {ratio} what it serves with 100.",
        less="With its default of 4 threads waitress serves {rate} a second; with 100, {inverse} that.",
        same="With its default of 4 threads waitress serves the same as with 100, within 5%.",
    ),
    Question(
        "daphne_default_wait",
        "daphne_asgi_wait",
        path="/wait/",
        metric="p99 ms",
        about="daphne with its default backlog of 50 against a longer one",
        more="With daphne's default backlog of 50, one answer in a hundred takes over {rate} ms; with a longer one, over {other_rate} ms.",
        less="With daphne's default backlog of 50, one answer in a hundred takes over {rate} ms; with a longer one, over {other_rate} ms.",
        same="With daphne's default backlog of 50, the slowest answers take as long as with a longer one, within 5% (p99 {rate} ms).",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    yield from ()
