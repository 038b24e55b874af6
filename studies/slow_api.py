"""github.com/maerteijn/django-sync-or-async published its setups and no figures: there is nothing to decide."""

from collections.abc import Iterator

from common.results.claims import Claim, Runs

BASELINES = ("gunicorn_gthread",)


def claims(runs: Runs) -> Iterator[Claim]:
    yield from ()
