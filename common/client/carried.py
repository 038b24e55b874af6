"""Headers that every request to a site carries beyond its load's own: a session's cookie, a token.

They reach the load generator in its environment, so that no command line and no record holds them.
"""

import json
import os
from collections.abc import Mapping

Headers = tuple[tuple[str, str], ...]
VARIABLE = "CARRIED_HEADERS"


def hand_over(headers_by_site: Mapping[str, Headers]) -> dict[str, str]:
    """The environment of a process that sends loads to these sites, which are named as in http://HOST:PORT."""
    return {VARIABLE: json.dumps(headers_by_site)} if any(headers_by_site.values()) else {}


def handed_over(url: str) -> Headers:
    """What this process was given for the site of this URL."""
    given = json.loads(os.environ.get(VARIABLE, "{}"))
    return tuple((name, value) for site, headers in given.items() if f"{url}/".startswith(f"{site}/") for name, value in headers)
