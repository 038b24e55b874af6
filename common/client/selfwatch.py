"""The load generator watches itself: its CPU, how long it waited for a core, and how late its event loop runs.

A busy client measures itself, and a client that waits for its core
measures whatever has that core. A tick is due every 10 ms; a stall of 50 ms therefore shows as
five late ticks (50, 40, 30, 20, 10 ms), just as every request that was answered in it was
read late. CPU is sampled every 0.25 s.
"""

import asyncio
import resource
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from common.client.sent import ClientCost

TICK = 0.010
GRAIN = 0.001  # a timer is late by up to this much on an idle loop: not counted as lag
SAMPLE = 0.25
SAMPLES_IN_A_SECOND = round(1 / SAMPLE)


class SelfWatch:
    def __init__(self, loop: asyncio.AbstractEventLoop, each_sample: Callable[[], None]) -> None:
        self._loop = loop
        self._each_sample = each_sample
        self._lags = array("d")
        self._samples: list[tuple[float, float]] = []  # (wall clock, CPU seconds of this process)
        self._waits: list[tuple[float, float]] = []  # (wall clock, seconds without a core); empty where the system does not say
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._sample()
        self._due = time.perf_counter() + TICK
        self._timer = self._loop.call_later(TICK, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._note_lag(time.perf_counter())
            self._sample()
            self._timer = None

    def _tick(self) -> None:
        now = time.perf_counter()
        self._note_lag(now)
        if now - self._samples[-1][0] >= SAMPLE:
            self._sample()
            self._each_sample()
        self._due = now + TICK
        self._timer = self._loop.call_later(TICK, self._tick)

    def _note_lag(self, now: float) -> None:
        lag = max(0.0, now - self._due - GRAIN)
        self._lags.append(lag)
        while lag > TICK:
            lag -= TICK
            self._lags.append(lag)

    def _sample(self) -> None:
        self._samples.append((time.perf_counter(), time.process_time()))
        waited = waited_for_a_core()
        if waited is not None:
            self._waits.append((self._samples[-1][0], waited))

    def cost(self, python: str, aiohttp: str, loop: str) -> ClientCost:
        (first_wall, first_cpu), (last_wall, last_cpu) = self._samples[0], self._samples[-1]
        lags = sorted(self._lags)
        return ClientCost(
            seconds=round(last_wall - first_wall, 6),
            cpu_seconds=round(last_cpu - first_cpu, 6),
            cpu_share=round((last_cpu - first_cpu) / (last_wall - first_wall), 4),
            busiest_second_share=round(busiest(self._samples), 4),
            loop_lag_p99_ms=round(lags[-1 - len(lags) // 100] * 1000, 3),
            loop_lag_max_ms=round(lags[-1] * 1000, 3),
            python=python,
            aiohttp=aiohttp,
            loop=loop,
            waited_share=round((self._waits[-1][1] - self._waits[0][1]) / (last_wall - first_wall), 4) if self._waits else None,
            busiest_second_waited_share=round(busiest(self._waits), 4) if self._waits else None,
            peak_memory_bytes=[resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)],
        )


def busiest(samples: list[tuple[float, float]]) -> float:
    """The largest share in any one second (or in all, if there is less than one)."""
    span = min(SAMPLES_IN_A_SECOND, len(samples) - 1)
    return max((used - used0) / (wall - wall0) for (wall0, used0), (wall, used) in zip(samples, samples[span:], strict=False))


def waited_for_a_core() -> float | None:
    """Seconds that the event loop's thread was ready but had no core; None where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None
