"""A scenario's load, sent by Locust to any URL: locust -f common/locustfile.py --host http://HOST:PORT

Adds --path, --expect, --expect-status and --form to Locust's options. Runs on many machines with
Locust's --master, --worker and --processes.
"""

import json
import os
from argparse import ArgumentParser
from typing import Any

from locust import FastHttpUser, events, task


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--path", default="/", help="what every user requests")
    parser.add_argument("--expect", default="", help="an answer without this text is a failure")
    parser.add_argument("--expect-status", type=int, help="an answer with any other status is a failure; redirects are not followed")
    parser.add_argument("--form", default=None, help="POST this form (a=b&c=d) instead of sending a GET")


class Visitor(FastHttpUser):
    """Sends its next request as soon as the last is answered."""

    network_timeout = connection_timeout = 200.0

    def on_start(self) -> None:
        """Take what the project's driver fetched for this site: a session's cookie, a token."""
        self.carried = dict(json.loads(os.environ.get("CARRIED_HEADERS", "{}")).get((self.host or "").rstrip("/"), []))

    @task
    def visit(self) -> None:
        options: Any = self.environment.parsed_options
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if options.form is not None else {}
        headers |= self.carried
        method, body = ("POST", options.form) if options.form is not None else ("GET", None)
        wanted = options.expect_status
        with self.client.request(
            method, options.path, data=body, headers=headers, allow_redirects=wanted is None, catch_response=True
        ) as response:
            if wanted is not None and response.status_code != wanted:
                response.failure(f"status {response.status_code}, not {wanted}")
            elif (wanted is not None or 200 <= response.status_code < 300) and options.expect not in (response.text or ""):
                response.failure("the answer lacks the expected text")
            elif wanted is not None:
                response.success()  # also a 404
