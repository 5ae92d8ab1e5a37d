"""Signals that come at the worst moment."""

import logging
import signal
from collections.abc import Iterator

import pytest
from granian.server.mp import MPServer

from cms_service.cli.draining import Draining, MainLoopInterrupt


@pytest.fixture
def server() -> Iterator[MPServer]:
    """One that is never started, and is ended by SIGTERM."""
    made = MPServer("none")
    before = signal.signal(signal.SIGTERM, made.signal_handler_interrupt)
    yield made
    signal.signal(signal.SIGTERM, before)


def wait(server: MPServer, draining: Draining) -> None:
    """As the main process waits, but not for ever."""
    rounds = iter(range(20))

    def chore() -> None:
        if next(rounds, None) is None:
            pytest.fail("it waits on")

    interrupt = MainLoopInterrupt(server, draining, chore)
    server.main_loop_interrupt = interrupt  # type: ignore[assignment]
    interrupt.wait()


def test_second_signal_is_heeded_while_the_first_is_being_told(
    server: MPServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    draining = Draining(300)

    def once_more(record: logging.LogRecord) -> bool:
        assert "told to stop" in record.getMessage()
        signal.raise_signal(signal.SIGTERM)
        return True

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(logging.getLogger("cms_service.cli.draining"), "filters", [once_more])

    assert draining.begin()
    wait(server, draining)

    assert server.interrupt_signal


def test_end_of_draining_ends_the_server(server: MPServer) -> None:
    draining = Draining(0.2)

    assert draining.begin()
    wait(server, draining)

    assert server.interrupt_signal


def test_second_death_is_seen_although_the_first_was_cleared_meanwhile(server: MPServer) -> None:
    server.interrupt_children.append(1)
    interrupt = MainLoopInterrupt(server, Draining(0), lambda: pytest.fail("it waits on"))

    interrupt.clear()
    interrupt.wait()

    assert not server.interrupt_signal


def test_signal_ends_the_waiting(server: MPServer) -> None:
    rounds = 0

    def chore() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            signal.raise_signal(signal.SIGTERM)
        else:
            pytest.fail("it waits on")

    MainLoopInterrupt(server, Draining(300), chore).wait()

    assert server.interrupt_signal
