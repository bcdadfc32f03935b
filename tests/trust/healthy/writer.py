"""A user's writes: `python -m tests.trust.healthy.writer URL PER_SECOND` posts documents until it is terminated.

Open loop: each document has a send time that is fixed beforehand, and does not wait for the answers to earlier ones.
"""

import asyncio
import contextlib
import sys
import time

import aiohttp

CONNECTIONS = 50
DEADLINE = aiohttp.ClientTimeout(total=30)


async def write(url: str, per_second: float) -> None:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=DEADLINE) as session:
        start, sent, pending = time.monotonic(), 0, set()
        while True:
            await asyncio.sleep(max(0.0, start + sent / per_second - time.monotonic()))
            task = asyncio.create_task(_post(session, url, sent))
            pending.add(task)
            task.add_done_callback(pending.discard)
            sent += 1


async def _post(session: aiohttp.ClientSession, url: str, number: int) -> None:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.post(url, json={"trust": True, "number": number}) as response:
            await response.read()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], float(sys.argv[2])))
