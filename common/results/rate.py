"""How many requests per second a server answers while a load is steady, and how sure that is from one run alone.

A load begins with an idle server and ends with work half done; neither belongs to its rate. It is counted
  for a load that was cut off            until its last answer, unless it was silent for long after that;
  for a load answered completely         until its last request began, also where a few of the last were cut off;
  for an open loop                       from its first answer until its schedule ends, whenever the last answer comes;
  for a ramp                             from its last user's arrival (or its second half, if that leaves too little) to its end;
  for a burst of fewer than three waves  over all of it: one piece of work, not a rate that could go on.
Answers often come in waves of as many as are in flight. So with two waves or more, the rate is taken between the
middle of the first wave and the middle of the last: where a wave ends depends on its slowest answer, its middle does not.

The error comes from overlapping batch means: the times from the middle of a batch to the middle of the next, a batch being a wave or
more. With fewer than three waves a batch is a fifth of all answers, and its time is taken from end to end.
"""

from dataclasses import dataclass

import numpy as np

from common.client import schedule
from common.client.sent import Column, Sent
from common.results.intervals import quantile

MOST_ERROR = 0.2
FEWEST = 10  # answers
FEWEST_EVENLY = 4  # if they come so evenly that even this few give a rate
BATCHES = 10  # more waves than these share a batch
NEARLY_ALL = 0.95  # of a load's requests: a few that hang do not make its time longer
WAVES = 3  # fewer are one piece of work: without its last wave there is no second one
LEAST_PLATEAU = 0.25  # of a ramp
LONG_SILENT = 1.5  # times the longest silence before: a server that hangs in the middle has no rate that could go on
SMOOTHED = 1.8  # the variance from middle to middle is two thirds of that from end to end, or less, where answers are independent


@dataclass(frozen=True)
class Rate:
    answers: int  # right answers that it was counted over
    seconds: float  # the time they took
    error: float | None  # relative, half of the 95% interval; None if unknown
    too_short: str  # why it shows nothing; '' if it does

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Window:
    """The part of a load that its rate is counted over, in s after its start."""

    begin: float
    end: float
    is_whole_load: bool = False


def window(sent: Sent) -> Window:
    load, requests = sent.load, sent.requests
    if load.spawn_rate is not None:
        arriving = load.concurrency / load.spawn_rate
        return Window(arriving if arriving <= (1 - LEAST_PLATEAU) * sent.seconds else sent.seconds / 2, sent.seconds)
    started = int(requests.started.sum())
    was_answered = not sent.stopped or (started == load.requests and int(requests.ok.sum()) >= NEARLY_ALL * started)
    if load.is_open or (not sent.stopped and started < WAVES * load.concurrency):
        return Window(0.0, sent.seconds, is_whole_load=True)
    if not was_answered or started < WAVES * load.concurrency:
        return Window(0.0, sent.seconds)
    last_began = np.sort(requests.end[requests.started])[started - load.concurrency - 1]  # when the last request began
    return Window(0.0, float(last_began) / 1e6)


def measure_rate(sent: Sent) -> Rate:
    return rate_on_schedule(sent) if sent.load.is_open else rate_of_users(sent)


def rate_on_schedule(sent: Sent) -> Rate:
    """It has no error: how evenly answers come is the schedule's doing. With few answers in time it is counted over the whole load."""
    ends = np.sort(sent.requests.end[sent.requests.ok]) / 1e6
    until = min(schedule.length(sent.load.schedule), sent.seconds)
    in_time = ends[ends <= until]
    if len(in_time) < FEWEST or in_time[0] == until:
        return Rate(len(ends), sent.seconds, None, explain_too_short(len(ends), None))
    return Rate(len(in_time) - 1, until - float(in_time[0]), None, "")


def rate_of_users(sent: Sent) -> Rate:
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
    return Rate(answers, seconds, error, explain_too_short(len(ends), error) or explain_silence(sent, ends))


def error_of(ends: Column, wave: int, per_second: float) -> float:
    """Relative, half of the 95% interval."""
    if len(ends) >= WAVES * wave:
        size = wave * max(1, len(ends) // (BATCHES * wave))
        summed = np.concatenate([[0.0], np.cumsum(ends)])
        moments, smoothed = (summed[size:] - summed[:-size]) / size, SMOOTHED
    else:
        size = max(1, len(ends) // 5)
        moments, smoothed = np.concatenate([[0.0], ends]), 1.0
    took, expected, batches = moments[size:] - moments[:-size], size / per_second, (len(moments) - 1) / size
    variance = smoothed * float(((took - expected) ** 2).mean()) * batches / (batches - 1)
    return float((variance / batches) ** 0.5 / expected * quantile(max(1.0, 1.5 * (batches - 1))))


def explain_silence(sent: Sent, ends: Column) -> str:
    if not sent.stopped or sent.load.spawn_rate is not None or window(sent).end < sent.seconds:
        return ""
    silent = sent.seconds - float(ends[-1])
    longest = float(np.diff(ends, prepend=0.0).max())
    return f"nothing was answered in its last {silent:.1f} s" if silent > LONG_SILENT * longest else ""


def explain_too_short(answers: int, error: float | None) -> str:
    if not answers:
        return "nothing was answered correctly"
    if answers < (FEWEST if error is None or error > MOST_ERROR else FEWEST_EVENLY):
        return f"only {answers} answer{'s' * (answers > 1)}"
    if error is not None and error > MOST_ERROR:
        return f"its rate is only known to within {error:.0%}"
    return ""
