"""The load client that most people would write: a bare aiohttp ClientSession loop.

python benchmarks/client_session_loop.py REQUESTS CONCURRENCY [keep-alive|close] URL
"""

import asyncio
import sys
from time import perf_counter

import aiohttp
import uvloop


async def main(requests: int, concurrency: int, mode: str, url: str) -> None:
    remaining, latencies = iter(range(requests)), []

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in remaining:
            start = perf_counter()
            async with session.get(url) as response:
                await response.read()
            latencies.append(perf_counter() - start)

    connector = aiohttp.TCPConnector(limit=0, force_close=mode == "close")
    async with aiohttp.ClientSession(connector=connector) as session:
        start = perf_counter()
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
        seconds = perf_counter() - start
    print(f"seconds {seconds:.6f}\np50_ms {sorted(latencies)[len(latencies) // 2] * 1000:.6f}")


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
