"""Load from wrk, over the loopback interface."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

SCRIPT = Path(__file__).with_name("wrk.lua")
LONGEST_ANSWER_SECONDS = 10
MARGIN_SECONDS = 30
"""wrk ends by itself; this much later it counts as hanging."""


class Load(msgspec.Struct, frozen=True):
    """Requests that are sent over and over, each connection sending the next when it has its answer."""

    url: str
    connections: int
    access_token: str | None = None
    bodies: Sequence[str] = ()
    """POSTed in turn; without any, GET."""
    successors: Literal["", "successors"] = ""
    """With successors, a body is sent once, and the refresh token in its answer makes the next."""


class LoadResult(msgspec.Struct, frozen=True):
    """What wrk.lua prints."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("The benchmarks need wrk to make load; install it, on Debian with: apt-get install wrk")


def send(load: Load, seconds: float) -> LoadResult:
    """Send `load` for this long; wrk knows whole seconds only, so it is at least one."""
    with sending(load, seconds) as result:
        return result()


class Sending:
    """A load under way; calling it waits for the result."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self._process = process
        self._seconds = seconds

    def __call__(self) -> LoadResult:
        output, complaint = self._process.communicate(timeout=self._seconds + MARGIN_SECONDS)
        if self._process.returncode != 0:
            raise RuntimeError(f"wrk failed: {complaint or output}")
        return msgspec.json.decode(output.splitlines()[-1], type=LoadResult)


@contextmanager
def sending(load: Load, seconds: float) -> Iterator[Sending]:
    """Send `load` while the block does something else."""
    duration_seconds = max(1, round(seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as bodies:
        bodies.writelines(f"{body}\n" for body in load.bodies)
        bodies.flush()
        command = ["wrk", "--threads", "1", "--connections", str(load.connections)]
        command += ["--duration", f"{duration_seconds}s", "--timeout", f"{LONGEST_ANSWER_SECONDS}s"]
        command += ["--script", str(SCRIPT)]
        if load.access_token is not None:
            command += ["--header", f"Authorization: Bearer {load.access_token}"]
        command += [load.url]
        if load.bodies:
            command += ["--", bodies.name, *filter(None, [load.successors])]
        with subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Sending(process, duration_seconds)
            finally:
                process.kill()
