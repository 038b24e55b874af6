"""How many requests per second does a server answer while a load is steady, and how sure is that from one run alone?

A load begins with an empty server and ends with work half done: neither belongs to its rate. It is counted
  of a load that was cut off  until its last answer;
  of a load answered whole    until its last request began;
  of a ramp                   from when its last user had arrived (its second half, if that leaves too little) to its end;
  of one burst                over the whole of it: the time of a piece of work, not a rate that could go on.
Answers often come in waves, of as many as are in flight. So with two waves or more the rate is that between the
middle of the first wave and the middle of the last: where a wave ends depends on its slowest answer, its middle does not.

The error is from overlapping batch means: of the times that so many answers in a row took, one wave or more, else a fifth of all.
"""

from dataclasses import dataclass

import numpy as np

from common.client.sent import Column, Sent
from common.results.intervals import quantile

MOST_ERROR = 0.2
FEWEST = 10  # answers
FEWEST_EVENLY = 4  # where they come one after the other, so that even their rate is known
BATCHES = 10  # more waves than these share a batch
WAVES = 3  # a load of fewer is one piece of work: without its last wave there is no second one
LEAST_PLATEAU = 0.25  # of a ramp


@dataclass(frozen=True)
class Rate:
    answers: int  # right ones, over which it was counted
    seconds: float  # which they took
    error: float | None  # relative, half of the 95 % interval; None where it cannot be known
    too_short: str  # why it bears no conclusion; '' if it does

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Window:
    """What of a load its rate is counted over, in s after its start."""

    begin: float
    end: float
    is_whole_load: bool = False


def window(sent: Sent) -> Window:
    load, requests = sent.load, sent.requests
    if load.spawn_rate is not None:
        arriving = load.concurrency / load.spawn_rate
        return Window(arriving if arriving <= (1 - LEAST_PLATEAU) * sent.seconds else sent.seconds / 2, sent.seconds)
    started = int(requests.started.sum())
    if load.is_open or (not sent.stopped and started < WAVES * load.concurrency):
        return Window(0.0, sent.seconds, is_whole_load=True)
    if sent.stopped:
        return Window(0.0, sent.seconds)
    last_began = np.sort(requests.end[requests.started])[started - load.concurrency - 1]  # when only the others were in flight
    return Window(0.0, float(last_began) / 1e6)


def measure_rate(sent: Sent) -> Rate:
    span, wave = window(sent), sent.load.concurrency
    ends = np.sort(sent.requests.end[sent.requests.ok]) / 1e6
    if not span.is_whole_load:
        ends = ends[(ends > span.begin) & (ends <= span.end)] - span.begin
    answers, seconds = len(ends), span.end - span.begin
    if answers and sent.load.spawn_rate is None and not span.is_whole_load:
        seconds = float(ends[-1])
        between_middles = float(ends[-wave:].mean() - ends[:wave].mean())
        if answers >= 2 * wave and between_middles > 0:
            answers, seconds = answers - wave, between_middles
    error = None if span.is_whole_load or len(ends) < 2 else error_of(ends, wave, answers / seconds)
    return Rate(answers, seconds, error, explain_too_short(len(ends), error))


def error_of(ends: Column, wave: int, per_second: float) -> float:
    """Relative, half of the 95 % interval."""
    size = wave * max(1, len(ends) // (BATCHES * wave)) if len(ends) >= 2 * wave else max(1, len(ends) // 5)
    moments = np.concatenate([[0.0], ends])
    took, expected, batches = moments[size:] - moments[:-size], size / per_second, len(ends) / size
    variance = float(((took - expected) ** 2).mean()) * batches / (batches - 1)
    return float((variance / batches) ** 0.5 / expected * quantile(max(1.0, 1.5 * (batches - 1))))


def explain_too_short(answers: int, error: float | None) -> str:
    if not answers:
        return "nothing was answered as it should be"
    if answers < (FEWEST if error is None or error > MOST_ERROR else FEWEST_EVENLY):
        return f"only {answers} answer{'s' * (answers > 1)}"
    if error is not None and error > MOST_ERROR:
        return f"its rate is only known to within {error:.0%}"
    return ""
