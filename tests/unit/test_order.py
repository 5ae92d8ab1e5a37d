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


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the suite, by the configuration of this project."""
    directory = tmp_path_factory.mktemp("suite")
    (directory / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.fixtures.order"]
    command += ["-p", "no:cacheprovider", "-v", "test_suite.py"]
    environ = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, check=False).stdout  # noqa: S603 - all of it is ours


def results(printed: str) -> list[tuple[str, str]]:
    """Every test with what came of it, in the order in which they ended."""
    return re.findall(r"^\S+::(test_\w+\S*?(?:\[.*\])?) (PASSED|FAILED|RERUN)", printed, re.MULTILINE)


def test_timing_tests_run_last(printed: str) -> None:
    names = [name for name, _ in results(printed)]

    assert names[:2] == ["test_other", "test_sound"]
    assert len(set(names)) == 7


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
