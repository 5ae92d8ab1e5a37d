"""The files of workers, in states in which they are for a moment only."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from cms_service.core.observability.shared_files import SharedFiles

READERS = 8
GAUGE = "cms_workers"


def write(directory: Path, kind: str, process_id: int, name: str = GAUGE) -> Path:
    path = directory / f"{kind}_{process_id}.db"
    file = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    file.write_value(mmap_key(name, name, [], [], "What it tells."), 1.0, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    return path


def numbers(directory: Path) -> dict[str, float]:
    return {sample.name: sample.value for metric in SharedFiles(directory).collect() for sample in metric.samples}


@pytest.fixture
def dead() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_numbers_of_the_dead_go_and_their_counts_stay(tmp_path: Path, dead: int) -> None:
    for process_id in (os.getpid(), dead):
        write(tmp_path, "gauge_livesum", process_id)
        write(tmp_path, "counter", process_id, "cms_sign_ins_total")
    SharedFiles(tmp_path).forget_dead()
    assert numbers(tmp_path) == {GAUGE: 1, "cms_sign_ins_total": 2}


def test_process_of_somebody_else_is_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of a worker that died has been given to it."""

    def refuse(*_: int) -> None:
        raise PermissionError

    path = write(tmp_path, "gauge_livesum", os.getpid())
    monkeypatch.setattr(os, "kill", refuse)
    SharedFiles(tmp_path).forget_dead()
    assert not path.exists()


def test_readers_may_find_the_same_dead_at_once(tmp_path: Path, dead: int) -> None:
    for mode in range(300):
        (tmp_path / f"gauge_livesum{mode}_{dead}.db").touch()
    with ThreadPoolExecutor(READERS) as readers:
        for reader in [readers.submit(SharedFiles(tmp_path).forget_dead) for _ in range(READERS)]:
            reader.result()
    assert not list(tmp_path.iterdir())


def test_file_that_was_made_a_moment_ago_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "gauge_livesum", os.getpid())
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert numbers(tmp_path) == {GAUGE: 1}
