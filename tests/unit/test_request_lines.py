"""Lines of requests leave together, yet each whole and none is lost."""

import asyncio
import fcntl
import io
import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from cms_service.core.observability.request_log import GATHERING_SECONDS, GatheredLines, LoggedRequest

MANY = 100
PIPE_BYTES = 1024 * 1024


class Packets:
    """A pipe that keeps apart what each write has written, up to the length at which a pipe takes a write whole."""

    def __init__(self, reading: int) -> None:
        self._reading = reading

    def read(self) -> list[bytes]:
        """Return what was written since the last time, write by write."""
        packets = []
        while select.select([self._reading], [], [], 0)[0]:
            packets.append(os.read(self._reading, 2 * select.PIPE_BUF))
        return packets


@contextmanager
def standard_error() -> Iterator[Packets]:
    """Read what is written to standard error meanwhile. No fixture: pytest sets standard error before each test."""
    reading, writing = os.pipe2(os.O_DIRECT)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # Each packet takes a page: a smaller pipe is full early.
    with pytest.MonkeyPatch.context() as patch, os.fdopen(writing, "wb") as stream:
        patch.setattr(sys, "stderr", io.TextIOWrapper(stream))
        yield Packets(reading)
    os.close(reading)


def request(number: int, path: str = "/api/v1/users/{user_id}", request_id: str | None = None) -> LoggedRequest:
    return LoggedRequest(
        method="GET",
        path=path,
        status=200,
        duration_ms=1.5,
        subject_id=uuid4(),
        request_id=request_id or str(number),
    )


async def written_soon() -> None:
    """Wait until lines that were added before are written: timers of one loop end in their order."""
    await asyncio.sleep(GATHERING_SECONDS)


async def test_lines_leave_together_in_few_writes_that_hold_whole_lines() -> None:
    with standard_error() as packets:
        lines = GatheredLines()
        for number in range(MANY):
            lines.add(request(number))
        assert packets.read() == []

        await written_soon()

        written = packets.read()
    assert 1 < len(written) < MANY / 10
    assert all(packet.endswith(b"\n") for packet in written)
    ids = [json.loads(line)["request_id"] for packet in written for line in packet.splitlines()]
    assert ids == [str(number) for number in range(MANY)]


@pytest.mark.parametrize("length", range(300, 420, 7))
async def test_no_write_is_longer_than_a_pipe_takes_whole(length: int) -> None:
    with standard_error() as packets:
        lines = GatheredLines()
        for number in range(MANY):
            lines.add(request(number, request_id="x" * length))

        await written_soon()

        written = packets.read()
    # A longer write would arrive in two packets, the first without an end.
    assert all(packet.endswith(b"\n") for packet in written)
    assert sum(packet.count(b"\n") for packet in written) == MANY


async def test_lines_that_come_later_are_written_too() -> None:
    with standard_error() as packets:
        lines = GatheredLines()
        for number in range(3):
            lines.add(request(number))
            await written_soon()
            assert len(packets.read()) == 1


async def test_probe_has_no_line() -> None:
    with standard_error() as packets:
        GatheredLines().add(request(1, path="/health/ready"))
        await written_soon()
        assert packets.read() == []


async def test_no_line_is_lost_when_the_process_ends() -> None:
    with standard_error() as packets:
        lines = GatheredLines()
        lines.add(request(1))
        lines.end()
        assert len(packets.read()) == 1

        lines.add(request(2))
        assert len(packets.read()) == 1

        await written_soon()
        assert packets.read() == []
