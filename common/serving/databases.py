"""Whose a database of ours is in a server that several runs share: each bears a number that a session of its run keeps locked."""

import re
import secrets
from typing import Any

import psycopg

OURS = "django_sync_or_async_"  # then the number, in hexadecimal
NUMBERED = re.compile(f"{OURS}([0-9a-f]{{8}})_")
LOCKS = 0x646A_616E  # the class of our advisory locks
FOR_EVER = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"


def new_number() -> str:
    return f"{secrets.randbits(31):08x}"


def hold_number(session: psycopg.Connection[Any]) -> str:
    """A number that no other run has, as long as this session lasts."""
    session.execute(FOR_EVER)
    while True:
        number = new_number()
        row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", (LOCKS, int(number, 16))).fetchone()
        if row == (True,):
            return number


def abandoned(session: psycopg.Connection[Any]) -> list[str]:
    """The databases whose run has ended, however it ended. Locks are looked at last: a run has its lock before its first database."""
    names = [name for (name,) in session.execute("SELECT datname FROM pg_database").fetchall()]
    locked = {number for (number,) in session.execute("SELECT objid::bigint FROM pg_locks WHERE classid::bigint = %s", (LOCKS,)).fetchall()}
    return [name for name in names if (match := NUMBERED.match(name)) and int(match[1], 16) not in locked]
