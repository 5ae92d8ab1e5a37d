import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_SECONDS = 60
POLL_SECONDS = 0.02


async def eventually(condition: Callable[[], Awaitable[T]]) -> T:
    """What the condition answers, once that is something."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while not (answer := await condition()):  # noqa: ASYNC110 - another process would have to set the event
            await asyncio.sleep(POLL_SECONDS)
    return answer
