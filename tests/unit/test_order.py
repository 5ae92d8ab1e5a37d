"""The order of tests, and their repetition, on a small suite of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = '''
import pathlib
import pytest

def runs(name):
    """How often the test has run, this time included."""
    path = pathlib.Path(__file__).with_name(name)
    with path.open("a") as file:
        file.write("x")
    return path.stat().st_size

@pytest.mark.timing
def test_slow_once():
    assert runs("slow once") == 2, "first result"

@pytest.mark.timing
def test_slow_twice():
    assert runs("slow twice") == 3

@pytest.mark.timing
@pytest.mark.parametrize("message", ["a wrong allow", "503 == 200", "lost a write"])
def test_more_than_slow(message):
    assert runs(message) == 2, message

def test_other():
    assert runs("other") == 2

def test_sound():
    pass
'''
SMALL_SUITE = "def test_in_the_smaller_file():\n    pass\n"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the suite, by the configuration of this project."""
    return run(tmp_path_factory.mktemp("suite"))


def run(directory: Path, *options: str) -> str:
    """Run the suite. Its smaller file is the first by its name."""
    (directory / "test_suite.py").write_text(SUITE)
    (directory / "test_a_small_suite.py").write_text(SMALL_SUITE)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.fixtures.order"]
    command += ["-p", "no:cacheprovider", "-v", *options, "."]
    environ = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, check=False).stdout  # noqa: S603 - all of it is ours


def results(printed: str) -> list[tuple[str, str]]:
    """Every test with what came of it, in the order in which they ended."""
    in_one_process = re.findall(r"^\S+::(test_\w+\S*?(?:\[.*\])?) (PASSED|FAILED|RERUN)", printed, re.MULTILINE)
    by_workers = re.findall(r"^\[gw\d\] .*(PASSED|FAILED|RERUN) \S+::(test_\w+(?:\[.*\])?)", printed, re.MULTILINE)
    return in_one_process or [(name, result) for result, name in by_workers]


def test_timing_tests_run_last(printed: str) -> None:
    names = [name for name, _ in results(printed)]

    assert names[:3] == ["test_other", "test_sound", "test_in_the_smaller_file"]
    assert len(set(names)) == 8


def test_timing_tests_run_last_when_workers_share_the_tests(tmp_path: Path) -> None:
    printed = run(tmp_path, "-n", "1", "--dist", "loadfile", "--no-loadscope-reorder")

    names = [name for name, _ in results(printed)]
    assert names[:3] == ["test_other", "test_sound", "test_in_the_smaller_file"]
    assert len(set(names)) == 8


def test_timing_test_runs_once_more_when_it_failed_and_both_results_are_shown(printed: str) -> None:
    assert [result for name, result in results(printed) if name == "test_slow_once"] == ["RERUN", "PASSED"]
    assert "AssertionError: first result" in printed


def test_timing_test_fails_when_it_fails_twice(printed: str) -> None:
    assert [result for name, result in results(printed) if name == "test_slow_twice"] == ["RERUN", "FAILED"]


@pytest.mark.parametrize("message", ["a wrong allow", "503 == 200", "lost a write"])
def test_timing_test_is_not_repeated_when_more_than_time_is_wrong(printed: str, message: str) -> None:
    assert [result for name, result in results(printed) if name == f"test_more_than_slow[{message}]"] == ["FAILED"]


def test_other_test_is_not_repeated(printed: str) -> None:
    assert [result for name, result in results(printed) if name == "test_other"] == ["FAILED"]
