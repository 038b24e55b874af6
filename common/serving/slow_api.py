"""The slow API that scenarios call: `/` waits 300 ms, `/<ms>/` that long; both send a random country as JSON."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

DEFAULT_MS = 300
LONGEST_MS = 60_000

LINES = (Path(__file__).parent / "countries.txt").read_text(encoding="utf-8").splitlines()
COUNTRIES = [json.dumps({"name": line[3:], "code": line[:2]}).encode() for line in LINES]


def wait_ms(path: str) -> int | None:
    """How long this path waits; None if there is no such path."""
    word = path.strip("/")
    if not word:
        return DEFAULT_MS
    if not (word.isascii() and word.isdigit()) or len(word) > 5 or int(word) > LONGEST_MS:
        return None
    return int(word)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    wait = wait_ms(scope["path"])
    if wait is None:
        status, body = 404, b'{"error": "the paths are / and /<ms>/"}'
    else:
        await asyncio.sleep(wait / 1000)
        status, body = 200, random.choice(COUNTRIES)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
