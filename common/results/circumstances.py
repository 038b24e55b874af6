"""What is known of a load apart from its requests: what it cost, what ran on which cores, what disturbed it."""

from dataclasses import dataclass, field


@dataclass
class Cost:
    """What the server and all its children used for the load alone."""

    cpu_seconds: float  # user and system time
    busiest_process_cpu_seconds: float  # of the process that used most
    voluntary_switches: int  # context switches of the threads that still ran at the end
    involuntary_switches: int  # the same, involuntary
    peak_memory_bytes: int  # of all processes together
    largest_process_bytes: int  # the largest process at its peak
    memory_measure: str  # pss (shared pages are divided) or rss
    peak_threads: int  # of all processes together
    cpu_known: bool = True  # False: too few ticks of the system's clock, so both CPU metrics mean nothing


@dataclass
class Pinned:
    """The cores set apart for the server, and those of everything else."""

    server: list[int]  # by number
    others: list[int]  # by number
    shared: bool = False  # both are the same cores, because the server's processes need them all


@dataclass
class WarmUp:
    """Requests before the load, outside its clock."""

    outcomes: dict[str, int]  # the number of requests with each outcome
    seconds: float  # its duration
    at_once: int = 0  # the most in flight; 0: all of them
    alone_ms: float | None = None  # the time of one more request, which nothing else was sent beside; None: unknown


KERNEL = "kernel thread "  # before the name of what nobody can close


@dataclass
class Noise:
    """What else the machine did during the load."""

    available: bool  # whether the system has these figures
    disturbed: str = ""  # by what, in one sentence; '' if nothing did
    foreign_cpu_share: float | None = None  # share of all CPU time that processes outside this run used
    foreign_on_server_cores: float | None = None  # the same for the server's cores, without interrupts
    foreign_on_other_cores: float | None = None  # the same for the other cores; None if there are none
    foreign_programs: dict[str, float] = field(default_factory=dict)  # the programs that used most, as shares of one core
    accounting_share: float | None = None  # share of one core that our own program used during the load
    throttled_seconds: float | None = None  # how long a CPU quota held us up; None without a quota
    waited_for_quiet_seconds: float = 0.0  # waited before the load for other programs to finish
    stolen_cpu_share: float | None = None  # share of CPU time that a hypervisor took
    waited_for_cpu_seconds: float | None = None  # during which some process waited for a core
    load_average: float | None = None  # of the last minute
    listen_overflows: int | None = None  # connections that found an accept queue full
    listen_drops: int | None = None  # connections that were dropped before they were accepted
    retransmitted: int | None = None  # TCP segments
    time_wait: int | None = None  # sockets whose port was not free yet at the end


@dataclass
class Environment:
    """The machine and the versions that the metrics depend on."""

    system: str  # the operating system and its release
    machine: str  # its architecture
    processor: str  # its name
    cores: int  # the number that we may use
    memory_bytes: int  # in total
    python: str  # implementation and version
    packages: dict[str, str]  # the version of each
    revision: str = ""  # the commit of this checkout, '+' if files were changed since; '' without git
    limits: dict[str, int] = field(default_factory=dict)  # of the system: open files, accept queue, ports, CPU quota in percent of a core
    variables: dict[str, str] = field(default_factory=dict)  # environment variables that reach the server and may affect its metrics
