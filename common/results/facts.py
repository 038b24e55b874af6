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
    cpu_known: bool = True  # False: too few ticks of the system's clock tell of the CPU; then neither figure of it says anything


@dataclass
class Pinned:
    """The cores that were set apart for the server, and those of all else."""

    server: list[int]  # by number
    others: list[int]  # by number
    shared: bool = False  # they are the same ones: the server's processes need them all


@dataclass
class WarmUp:
    """Requests before the load, outside its clock."""

    outcomes: dict[str, int]  # how many requests came to which outcome
    seconds: float  # that it took


@dataclass
class Noise:
    """What else the machine did meanwhile."""

    available: bool  # whether the system tells
    disturbed: str = ""  # by what, in one sentence; '' if by nothing
    foreign_cpu_share: float | None = None  # of all CPU time, used by processes that are not of this run
    foreign_on_server_cores: float | None = None  # likewise, of the server's cores; without interrupts
    foreign_on_other_cores: float | None = None  # likewise; None where there are no others
    foreign_programs: dict[str, float] = field(default_factory=dict)  # those that used most: shares of one core
    accounting_share: float | None = None  # of one core, used by our own program while the load ran
    throttled_seconds: float | None = None  # that a CPU quota held us up; None without a quota
    waited_for_quiet_seconds: float = 0.0  # before the load, for others to be done
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
    limits: dict[str, int] = field(default_factory=dict)  # of the system: open files, accept queue, ports, CPU quota in % of a core
    variables: dict[str, str] = field(default_factory=dict)  # of the environment, that reach the server and may move its figures
