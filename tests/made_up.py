"""Records of open loops that never ran, for what is derived from records."""

from common.client.outcomes import NUMBER, OUTCOMES, Outcomes, tally


def open_load(rows, seconds, stages, **load):
    """Of each request: when it was due, how late it started, how long after it was due it ended, and what became of it."""
    outcomes, due_moments = Outcomes(), []
    for due, late, took, outcome in sorted(rows, key=lambda row: row[0] + row[2]):
        start = 100 + due + late
        outcomes.add(start, start, start, 0.0, 100 + due + took, NUMBER[outcome], 200, 2, 100)
        due_moments.append(due)
    return {
        "load": {
            "requests": None,
            "concurrency": 1000,
            "spawn_rate": None,
            "seconds": None,
            "keep_alive": True,
            "rate": stages[0][1],
            "stages": stages,
            "schedule": stages,
            **load,
        },
        "seconds": seconds,
        "connections": 2,
        "kept_alive": 3,
        "stopped": "",
        "server": "",
        "host": "h",
        "port": 80,
        "path": "/",
        "body_bytes": 0,
        "fault": "",
        "pinned": None,
        "cpu_seconds_beside": {},
        "least_seconds": None,
        "outcomes": tally(outcomes.facts["outcome"]),
        "outcome_names": list(OUTCOMES),
        "requests": {**outcomes.since(100.0), "due": [round(due * 1e6) for due in due_moments]},
        "client": {
            "seconds": seconds,
            "cpu_share": 0.1,
            "cpu_seconds": 0.1 * seconds,
            "busiest_second_share": 0.1,
            "loop_lag_p99_ms": 0.0,
            "loop_lag_max_ms": 0.0,
            "loop": "asyncio",
        },
    }
