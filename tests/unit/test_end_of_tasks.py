import asyncio

from cms_service.app import end_tasks


async def test_task_that_overcomes_its_cancellation_is_cancelled_again() -> None:
    overcome = 0

    async def work() -> None:
        nonlocal overcome
        while overcome < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                overcome += 1
        await asyncio.sleep(60)

    async def fail() -> None:
        raise RuntimeError

    tasks = [asyncio.create_task(work()), asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await end_tasks(tasks)

    assert overcome == 2
    assert [task.cancelled() for task in tasks] == [True, False, True]
