"""Compiles and runs programs for Node.js."""

import os
import shutil
import subprocess
from pathlib import Path

SECONDS = 300


def run(directory: Path, *command: str, **environ: str) -> str:
    """Return what the command prints. Fails where the command does."""
    process = subprocess.run(  # noqa: S603 - our own program
        command,
        cwd=directory,
        env={"PATH": os.environ["PATH"], **environ},  # noqa: TID251 - where Node.js is
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def compiled(directory: Path, *sources: Path) -> Path:
    """The directory, with the sources compiled into `out` by the TypeScript that is installed there."""
    for source in sources:
        shutil.copy(source, directory)
    run(directory, "node", "node_modules/typescript/bin/tsc")
    return directory
