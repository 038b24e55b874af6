"""The claims of github.com/nalkhish/Asynchronize-Django about latency, connections, CPU work and memory."""

from collections.abc import Iterator

from common.results.claims import NEEDS_FULL, Claim, Finding, Place, Rule, Runs, decide, is_published, per_second
from common.results.comparison import TELLS_IN_ONE_ROUND
from common.results.questions import Question
from common.results.record import Measured
from common.results.words import write_exactly

BASELINES = ("gunicorn_sync_posts",)
SYNC, LIMITED, UNLIMITED = "gunicorn_sync_posts", "gunicorn_uvicorn_posts", "gunicorn_uvicorn_posts_unlimited"
CONNECTIONS = 100  # PostgreSQL's default
FEWEST_FURTHER_THREADS = 20  # fewer say nothing about the memory of one
PUBLISHED = {
    "gunicorn_sync_posts": [
        {"path": "/cpu/", "max requests/s": [1.5, 1.5, 1.5], "successes": [255, 255, 200]},
        {"path": "/io_create/", "max requests/s": [143.6, 1.4, 0.7], "successes": [24328, 242, 124]},
        {"path": "/io_read/", "max requests/s": [23.0, 1.2, 0.6], "successes": [3927, 200, 105]},
    ],
    "gunicorn_uvicorn_posts": [
        {"path": "/cpu/", "max requests/s": [0.1, 0.2, 0.5], "successes": [24, 30, 86]},
        {"path": "/io_create/", "max requests/s": [188.8, 129.0, 82.6], "successes": [11325, 12963, 8644]},
        {"path": "/io_read/", "max requests/s": [28.3, 28.6, 28.4], "successes": [3053, 4555, 4312]},
    ],
    "gunicorn_uvicorn_posts_unlimited": [
        {"path": "/cpu/", "max requests/s": [3.3, 1.3, 2.7], "successes": [91, 97, 90]},
        {"path": "/io_create/", "max requests/s": [187.5, 171.4, 185], "successes": [20163, 26145, 23030]},
        {"path": "/io_read/", "max requests/s": [34.1, 36, 34.2], "successes": [4680, 5313, 5123]},
    ],
}
QUESTIONS = (
    Question(
        UNLIMITED,
        SYNC,
        path="/io_create/",
        latency_ms=200,
        about="With 200 ms added to all that the server sends, async against one sync worker",
        more="With 200 ms added to all that it sends and {in_flight} users, async creates {ratio} as many posts as one sync worker.",
        less="With 200 ms added to all that it sends and {in_flight} users, one sync worker creates {inverse} as many posts as async.",
        same="With 200 ms added to all that the server sends, async and one sync worker create the same number of posts, within 5%.",
    ),
    Question(
        "gunicorn_gthread_posts",
        SYNC,
        path="/io_create/",
        latency_ms=200,
        about="With 200 ms, 500 threads against one sync worker",
        more="With 200 ms, 500 threads create {ratio} as many posts as one sync worker.",
        less="With 200 ms, one sync worker creates {inverse} as many posts as 500 threads.",
        same="With 200 ms, 500 threads create as many posts as one sync worker, within 5%.",
    ),
    Question(
        UNLIMITED,
        SYNC,
        path="/cpu/",
        about="Where the view only computes, async against sync",
        more="Where the view only computes, async serves {ratio} what sync serves.",
        less="Where the view only computes, sync serves {inverse} what async serves.",
        same="Where the view only computes, the two are the same within 5%.",
    ),
)


def claims(runs: Runs) -> Iterator[Claim]:
    """Those of what async serves as latency grows need the published load: fewer users cannot ask for as much."""
    for path in ("/io_create/", "/io_read/"):
        sync = {ms: (f"sync req/s at {ms} ms", Place(SYNC, path, ms)) for ms in (100, 200)}
        asynchronous = {ms: (f"async req/s at {ms} ms", Place(UNLIMITED, path, ms)) for ms in (0, 200)}
        yield decide(
            f"{path}: sync falls with 1/latency: half as much at 200 ms as at 100 ms (rule: 1.5 to 2.7 times less)",
            Rule("that ratio", runs.ratio(per_second, sync[100], sync[200]), 1.5, 2.7),
        )
        yield decide(
            f"{path}: async keeps its throughput as latency grows (rule: at 200 ms at least 0.7 of that at 0 ms)",
            Rule("that ratio", runs.ratio(per_second, asynchronous[200], asynchronous[0], is_published), at_least=0.7),
        )
        yield decide(
            f"{path}: at 200 ms async serves more than 10 times what sync does",
            Rule("that ratio", runs.ratio(per_second, asynchronous[200], sync[200], is_published), at_least=10),
        )
        yield decide(
            f"{path}: with max_connections 100 async fails with 'too many clients', with 1000 it does not (rule: 1% of what ended)",
            Rule("% refused, max_connections 100", refused(runs, "100", Place(LIMITED, path, 200)), at_least=1),
            Rule("% refused, max_connections 1000", refused(runs, "1000", Place(UNLIMITED, path, 200)), at_most=0.999),
        )
    yield decide(
        "/cpu/: sync wins on work that only computes (rule: at least 1.2 times as many)",
        Rule(
            "that ratio",
            runs.ratio(per_second, ("sync req/s", Place(SYNC, "/cpu/")), ("async req/s", Place(UNLIMITED, "/cpu/"))),
            at_least=1.2,
        ),
    )
    yield decide(
        "a thread takes almost as much memory as a process (rule: at least half as much)",
        Rule("a thread's share of a process", thread_to_process(runs), at_least=0.5),
    )


def refused(runs: Runs, name: str, place: Place) -> Finding:
    """Only a load with more requests in flight than there are connections can show it."""
    return runs.value(refused_percent, f"% refused, max_connections {name}", place, lambda load: load.sent.load.concurrency > CONNECTIONS)


def refused_percent(load: Measured) -> float | None:
    """The percentage of ended requests that failed because PostgreSQL had no connection left."""
    count = load.counted_in_log.get("too many clients")
    return None if count is None or not load.metrics.complete else min(100.0, 100 * count / load.metrics.complete)


def largest_mb(load: Measured) -> float | None:
    """The memory of the server's largest process, its worker."""
    return load.cost.largest_process_bytes / 2**20 if load.cost else None


def peak_threads(load: Measured) -> float | None:
    return load.cost.peak_threads if load.cost else None


def thread_to_process(runs: Runs) -> Finding:
    """Memory per thread, from an async worker that reads (many threads) and one that computes (few): an upper bound, rows included."""
    reading, computing, process = Place(UNLIMITED, "/io_read/"), Place(UNLIMITED, "/cpu/"), Place(SYNC, "/io_read/")
    findings = [runs.value(of, "memory or threads", place) for of in (largest_mb, peak_threads) for place in (reading, computing)]
    findings.append(runs.value(largest_mb, "memory", process))
    unknown = [finding for finding in findings if not finding.is_known]
    if unknown:
        return unknown[0]
    many_mb, few_mb, many_threads, few_threads, process_mb = (finding.middle for finding in findings)
    further = many_threads - few_threads
    if further < FEWEST_FURTHER_THREADS:
        return Finding(f"only {further:g} more threads, {FEWEST_FURTHER_THREADS} are needed: {NEEDS_FULL}")
    each = (many_mb - few_mb) / further
    said = f"MB per additional thread {write_exactly(each)}, per process that serves one at a time {write_exactly(process_mb)}"
    share, margin = each / process_mb, TELLS_IN_ONE_ROUND
    return Finding(f"{said}, to within {margin}x", share / margin, share * margin, share, findings[0].by)
