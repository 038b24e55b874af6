"""All faults, by group."""

from tests.faults import Fault
from tests.faults.answers import HTTP
from tests.faults.constants import CONSTANTS
from tests.faults.loads import LOADS
from tests.faults.records import RECORDS
from tests.faults.servers import SERVERS
from tests.faults.signals import SIGNALS
from tests.faults.streams import STREAMS
from tests.faults.surroundings import SURROUNDINGS
from tests.faults.words import WORDS

GROUPS: dict[str, list[Fault]] = {
    "streams and files": STREAMS,
    "options of loads": LOADS,
    "words": WORDS,
    "constants": CONSTANTS,
    "records": RECORDS,
    "answers": HTTP,
    "servers": SERVERS,
    "signals": SIGNALS,
    "surroundings": SURROUNDINGS,
}
