"""Records which lines of `cms_service` a process runs, apart for each test.

Every Python process of a sandbox starts this before anything else: the one of pytest, the services, their workers and
the commands. pytest names the context, such as the id of a test, in a file for the processes to come, and to each
running process over a socket of its own. It goes on when all have answered, so that no line is counted for the wrong
test. What was recorded is written at every change of the context, so that it outlives a process that is killed.
"""

import atexit
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from coverage import Coverage

CONTEXT = "context"
DATA = "lines"
ANSWER_SECONDS = 2
"""A process that a test has stopped does not answer."""
LONGEST_NAME = 65_536
WARNINGS = ["no-data-collected", "module-not-imported", "module-not-measured", "already-imported", "trace-changed"]


class Recorder:
    """The recorder of this process, and of those that it forks."""

    def __init__(self, directory: Path, package: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._coverage = Coverage(
            data_file=str(directory / DATA),
            data_suffix=True,
            config_file=False,
            include=[f"{package}/*"],
            # SQLAlchemy runs the code of its async sessions in greenlets.
            concurrency=["thread", "greenlet"],
        )
        self._coverage.set_option("run:core", "ctrace")
        self._coverage.set_option("run:disable_warnings", WARNINGS)

    def start(self) -> None:
        self._coverage.start()
        self._write_less()
        self.switch(self._named())
        self._listen()
        self._follow_forks()
        # This runs before what coverage does at the end, which is to stop.
        atexit.register(self._write_the_rest)

    def switch(self, context: str) -> None:
        """Write the lines that were recorded so far, and record the next ones for `context`."""
        with self._lock:
            self._coverage.switch_context(context)

    def announce(self, context: str) -> None:
        """Switch this process and every other."""
        draft = self._directory / f"{CONTEXT}.new"
        draft.write_text(context)
        draft.replace(self._directory / CONTEXT)
        self.switch(context)
        for path in self._directory.glob("*.socket"):
            if path.stem != str(os.getpid()):
                _send_context(path, context)

    def _write_less(self) -> None:
        """Write only the modules of which something ran. Otherwise each change of the context writes all of them."""
        data = self._coverage.get_data()
        add = data.add_lines
        data.add_lines = lambda line_data: add({file: ran for file, ran in line_data.items() if ran})  # type: ignore[method-assign]

    def _named(self) -> str:
        try:
            return (self._directory / CONTEXT).read_text()
        except FileNotFoundError:
            return ""

    def _listen(self) -> None:
        path = self._directory / f"{os.getpid()}.socket"
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(draft))
        self._listener.listen()
        draft.replace(path)  # A connection before this point would be refused.
        threading.Thread(target=self._serve_switches, args=(self._listener,), daemon=True).start()

    def _serve_switches(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                self.switch(connection.recv(LONGEST_NAME).decode())
                connection.sendall(b"\0")

    def _follow_forks(self) -> None:
        """A child records on, and writes what it recorded last: a worker ends without the hooks of the interpreter."""
        leave = os._exit

        def leave_recorded(status: int) -> NoReturn:
            self._write_the_rest()
            leave(status)

        os._exit = leave_recorded
        os.register_at_fork(after_in_child=self._continue)

    def _write_the_rest(self) -> None:
        with suppress(Exception):
            self.switch(self._named())

    def _continue(self) -> None:
        with suppress(OSError):
            if self._listener is not None:
                self._listener.close()
            self._lock = threading.Lock()
            self._listen()
            self.switch(self._named())


_running: list[Recorder] = []


def start(directory: str, package: str) -> None:
    """Record this process, unless it runs as somebody who may not write there."""
    # Python reads the files `.pth` of a virtual environment twice.
    with suppress(OSError):
        if _running:
            return
        recorder = Recorder(Path(directory), Path(package))
        recorder.start()
        _running.append(recorder)


def of_this_process() -> Recorder:
    return _running[0]


def _send_context(path: Path, context: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(context.encode())
            connection.recv(1)
        except TimeoutError:
            pass
        except OSError:
            path.unlink(missing_ok=True)
