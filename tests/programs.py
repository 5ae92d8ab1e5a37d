"""Short programs, each in a process of its own that has imported nothing yet."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRINT_IMPORTED = "import sys; print(*(name for name, module in sys.modules.items() if module))"


def output_of(program: str, directory: Path, *absent: str) -> str:
    """Its standard output, as if the packages that are absent were not installed."""
    (directory / "program.py").write_text(program, encoding="utf-8")
    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "tests.benchmarks.without", ",".join(absent), "program"],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONPATH": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ended.stdout


def imported_by(program: str, directory: Path, *absent: str) -> set[str]:
    """The modules that are there after the program has run."""
    return set(output_of(f"{program}\n{PRINT_IMPORTED}", directory, *absent).split())
