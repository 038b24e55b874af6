"""The claims of github.com/nalkhish/Asynchronize-Django on latency, connections, CPU work and memory."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs, decide, per_second
from common.results.record import Measured

BASELINES = ("gunicorn_sync_posts",)
SYNC, LIMITED, UNLIMITED = "gunicorn_sync_posts", "gunicorn_uvicorn_posts", "gunicorn_uvicorn_posts_unlimited"
FEWEST_FURTHER_THREADS = 20  # fewer say nothing of the memory of one


def claims(runs: Runs) -> Iterator[Claim]:
    for path in ("/io_create/", "/io_read/"):
        yield decide(
            f"{path}: sync falls with 1/latency: half as much at 200 ms as at 100 ms (rule: 1.5 to 2.7 times less)",
            {f"sync req/s at {ms} ms": runs.median(per_second, SYNC, path, ms) for ms in (100, 200)},
            lambda at_100, at_200: 1.5 <= at_100 / at_200 <= 2.7,
            refutable=not runs.quick,
        )
        yield decide(
            f"{path}: async keeps its throughput as latency grows (rule: at 200 ms at least 0.7 of that at 0 ms)",
            {f"async req/s at {ms} ms": runs.median(per_second, UNLIMITED, path, ms) for ms in (0, 200)},
            lambda at_0, at_200: at_200 >= 0.7 * at_0,
            refutable=not runs.quick,
        )
        yield decide(
            f"{path}: at 200 ms async serves more than 10 times what sync does",
            {name: runs.median(per_second, scenario, path, 200) for name, scenario in (("async req/s", UNLIMITED), ("sync req/s", SYNC))},
            lambda asynchronous, synchronous: asynchronous > 10 * synchronous,
            refutable=not runs.quick,
        )
        yield decide(
            f"{path}: with max_connections 100 async fails with 'too many clients', with 1000 it does not",
            {
                f"% refused, max_connections {name}": runs.median(refused_percent, scenario, path, 100)
                for name, scenario in (("100", LIMITED), ("1000", UNLIMITED))
            },
            lambda limited, unlimited: limited > 0 and unlimited == 0,
        )
    yield decide(
        "/cpu/: sync wins on work that only computes (rule: at least 1.2 times as many)",
        {name: runs.median(per_second, scenario, "/cpu/") for name, scenario in (("sync req/s", SYNC), ("async req/s", UNLIMITED))},
        lambda synchronous, asynchronous: synchronous >= 1.2 * asynchronous,
    )
    yield decide(
        "a thread takes almost as much memory as a process (rule: at least half as much)",
        {
            "MB for each further thread": per_thread(runs),
            "MB of a process that serves one at a time": runs.median(largest_mb, SYNC, "/io_read/"),
        },
        lambda thread, process: thread >= 0.5 * process,
    )


def refused_percent(load: Measured) -> float | None:
    """How many of the requests that ended did so because PostgreSQL had no connection left."""
    refused = load.counted_in_log.get("too many clients")
    return None if refused is None else min(100.0, 100 * refused / load.metrics.complete)


def largest_mb(load: Measured) -> float | None:
    """Of the server's largest process: its worker."""
    return load.cost.largest_process_bytes / 2**20 if load.cost else None


def peak_threads(load: Measured) -> float | None:
    return load.cost.peak_threads if load.cost else None


def per_thread(runs: Runs) -> float | None:
    """An async worker that reads, with a thread for each request, against one that computes, with few: an upper bound, rows included."""
    values = [
        value
        for of in (largest_mb, peak_threads)
        for path in ("/io_read/", "/cpu/")
        if (value := runs.median(of, UNLIMITED, path)) is not None
    ]
    if len(values) < 4:
        return None
    many_mb, few_mb, many_threads, few_threads = values
    further = many_threads - few_threads
    return (many_mb - few_mb) / further if further >= FEWEST_FURTHER_THREADS else None
