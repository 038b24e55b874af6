"""Headers that every request to a site carries beyond its load's own: a session's cookie, a token.

They reach the load generator in its environment, so that no command line and no record holds them.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from common.cli import UsageError

Headers = tuple[tuple[str, str], ...]
VARIABLE = "CARRIED_HEADERS"
EXAMPLE = '{"http://127.0.0.1:8000": [["Cookie", "sessionid=1"]]}'
FITS_A_HEADER = re.compile(r"[^\0\r\n\u0100-\U0010ffff]*")


def hand_over(headers_by_site: Mapping[str, Headers]) -> dict[str, str]:
    """The environment of a process that sends loads to these sites, which are named as in http://HOST:PORT."""
    return {VARIABLE: json.dumps(headers_by_site)} if any(headers_by_site.values()) else {}


def handed_over(url: str) -> Headers:
    """What this process was given for the site of this URL."""
    return tuple(header for site, headers in given().items() if f"{url}/".startswith(f"{site}/") for header in headers)


def given() -> dict[str, Headers]:
    with suppress(msgspec.MsgspecError, UnicodeError):
        sites = msgspec.json.decode(os.environ.get(VARIABLE) or "{}", type=dict[str, Headers])
        if all(FITS_A_HEADER.fullmatch(word) for headers in sites.values() for header in headers for word in header):
            return sites
    raise UsageError(f"{VARIABLE} in the environment is not like {EXAMPLE}: unset it")  # it may hold a secret, which nobody should see
