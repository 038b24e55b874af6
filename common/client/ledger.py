"""What a load leaves: a row of a few bytes for each request, and some counts."""

from array import array
from struct import Struct

import numpy as np
import numpy.typing as npt

from common.client.outcomes import OK
from common.client.sent import Column, Requests, compact

# A row in two forms: packed in one call when a request ends, which is cheaper than appending to a column
# for each fact; and as numpy reads all rows at the end. Whoever ends a request packs its row itself: a call less.
ROW = Struct("=5dBHqq")
pack_row = ROW.pack  # start, connected, sent, first_byte, end; outcome, status, body_bytes, received_bytes
MOMENTS = ("start", "connected", "sent", "first_byte", "end")
FACTS = {"outcome": "u1", "status": "u2", "body_bytes": "i8", "received_bytes": "i8"}
ROW_TYPE = np.dtype([*((name, "f8") for name in MOMENTS), *FACTS.items()])


class Ledger:
    """The rows of one load, in the order in which they ended; moments by `perf_counter`, else as in `Requests`."""

    def __init__(self) -> None:
        self.rows = bytearray()
        self.kept_alive = 0  # answers that left their connection reusable
        self.failures = 0  # so far, only to be shown
        self.server: str | None = None  # the Server header of the first answer

    def __len__(self) -> int:
        return len(self.rows) // ROW.size

    def latencies(self, begin: int, end: int) -> list[float]:
        """Seconds from start to end of the ok rows among these, ascending."""
        rows = np.frombuffer(self.rows[begin * ROW.size : end * ROW.size], ROW_TYPE)  # a copy: numpy would keep the rows from growing
        return sorted((rows["end"] - rows["start"])[rows["outcome"] == OK].tolist())

    def take_requests(self, zero: float, due: "array[float] | None" = None) -> Requests:
        """The rows, with moments in whole microseconds after `zero`; `due` has an entry for each row of a schedule.

        This empties the ledger: keeping a million rows twice would take a quarter of all memory.
        """
        rows, self.rows = np.frombuffer(self.rows, ROW_TYPE), bytearray()
        moments = {name: microseconds(rows[name], zero) for name in MOMENTS}
        facts = {name: compact(rows[name].copy()) for name in FACTS}
        return Requests(**moments, **facts, due=None if due is None else microseconds(np.array(due), zero))


def microseconds(moments: npt.NDArray[np.float64], zero: float) -> Column:
    return compact(np.maximum(np.rint((moments - zero) * 1e6), 0).astype(np.int64))
