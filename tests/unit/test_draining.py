"""Signals that come at the worst moment."""

import logging
import signal
import subprocess
import sys
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


WORKER = """
import os, signal, time
from cms_service.cli.draining import Draining

draining = Draining(0)
worker = os.fork()
if worker == 0:
    signal.signal(signal.SIGTERM, signal.{action})
    draining.end_worker_in_time()
    time.sleep(60)
"""
TOLD = "draining.end(); print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))"
DEAD = "os._exit(0)"


@pytest.mark.parametrize(
    ("action", "main_process", "exit_code"),
    [
        pytest.param("SIG_DFL", TOLD, "-15", id="told"),
        pytest.param("SIG_DFL", DEAD, "", id="left alone"),
        pytest.param("SIG_IGN", DEAD, "", id="left alone and hanging", marks=pytest.mark.slow),
    ],
)
def test_worker_ends_although_its_signal_was_lost(action: str, main_process: str, exit_code: str) -> None:
    script = WORKER.format(action=action) + main_process
    # The output has ended when the last process that may write to it has.
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)  # noqa: S603 - our own

    assert (done.stdout.strip(), done.stderr) == (exit_code, "")


def test_second_death_is_seen_although_the_first_was_cleared_meanwhile(server: MPServer) -> None:
    server.interrupt_children.append(1)
    interrupt = MainLoopInterrupt(server, Draining(0), lambda: pytest.fail("it waits on"))

    interrupt.clear()
    interrupt.wait()

    assert not server.interrupt_signal


def test_signal_ends_the_waiting(server: MPServer) -> None:
    signal.raise_signal(signal.SIGTERM)

    wait(server, Draining(300))

    assert server.interrupt_signal
