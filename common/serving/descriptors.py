"""Makes sure that a process may open enough file descriptors for a load's connections."""

import resource
from contextlib import suppress

from common.cli import UsageError

FOR_OURSELVES = 32  # for the load generator itself


def check_descriptors(connections: int) -> None:
    """Raise UsageError if even the hard limit is too low."""
    compare(connections, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit as far as needed, in the load generator alone: a server would inherit it."""
    needed = connections + FOR_OURSELVES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    compare(connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def compare(connections: int, limit: int) -> None:
    needed = connections + FOR_OURSELVES
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise UsageError(
            f"{connections} requests at once need {needed} file descriptors, but the limit is {limit}: lower -c or raise `ulimit -n`"
        )
