"""What is known of a load beside its requests: what it cost, what ran on which cores, what disturbed it."""

from dataclasses import dataclass, field


@dataclass
class Cost:
    """What the server and all its children used, of the load alone."""

    cpu_seconds: float  # user and system time
    busiest_process_cpu_seconds: float  # of the one that used most
    voluntary_switches: int  # of context, of the threads that were there at the end
    involuntary_switches: int  # likewise
    peak_memory_bytes: int  # of all processes together
    largest_process_bytes: int  # of the largest process, at its peak
    memory_measure: str  # pss (shared pages count in parts) or rss
    peak_threads: int  # of all processes together


@dataclass
class Pinned:
    """The cores that were set apart for the server, and those of all else."""

    server: list[int]  # by number
    others: list[int]  # by number


@dataclass
class WarmUp:
    """Requests before the load, outside its clock."""

    outcomes: dict[str, int]  # how many requests came to which outcome
    seconds: float  # that it took


@dataclass
class Noise:
    """What else the machine did meanwhile."""

    available: bool  # whether the system tells
    contaminated: str = ""  # why this run has no part in intervals; '' if it has
    foreign_cpu_share: float | None = None  # of all CPU time, used by processes that are not of this run
    stolen_cpu_share: float | None = None  # taken away by a hypervisor
    waited_for_cpu_seconds: float | None = None  # that some process waited for a core
    load_average: float | None = None  # of the last minute
    listen_overflows: int | None = None  # connections that found an accept queue full
    listen_drops: int | None = None  # connections that were dropped before they were accepted
    retransmitted: int | None = None  # segments of TCP
    time_wait: int | None = None  # sockets whose port was not free yet, at the end


@dataclass
class Environment:
    """The machine and the versions that the figures depend on."""

    system: str  # and its release
    machine: str  # its architecture
    processor: str  # its name
    cores: int  # that we may use
    memory_bytes: int  # in all
    python: str  # and its version
    packages: dict[str, str]  # and their versions
    revision: str = ""  # the commit of this checkout, '+' if files were changed since; '' without git
    limits: dict[str, int] = field(default_factory=dict)  # of the system: open files, accept queue, ports
