"""A page's commands, run as its reader would type them."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.docs.snippets import ROOT, Block

TIMEOUT_SECONDS = 180
PROMPT = "$ "
YES = b"y\n" * 20
"""The answer to whatever a command asks."""
LOCAL_ADDRESS = "http://127.0.0.1:8000"

# What would end the test or change the machine is looked at instead of done.
STAND_INS = """
curl() { command curl --silent --show-error "$@"; }
# There is no container engine here. `just container-check` does the steps of the image, and hadolint reads its file.
docker() { grep -q "^  service:" "$ROOT/compose.yaml"; }
# CI and `just test-fresh` begin with these, and a test must not change its own environment.
python3() { [[ "$1 $2" == "-m venv" ]] || command python3 "$@"; }
source() { test "$1" = .venv/bin/activate; }
pip() { test "$1" = install; }
.uv/bin/pip() { pip "$@"; }
npm() { test "$1" = install; }
# `just test-sdk` runs the same command.
npx() { grep -qF ".bin/$1 $2 $3 " "$ROOT/justfile"; }
# CI runs the recipes themselves; here it shows that they exist.
just() { command just --justfile "$ROOT/justfile" --show "$1" > /dev/null; }
.uv/bin/uv() { test "$1 $2" = "run just" && just "$3"; }
"""


class Printed(Exception):
    """A block did not do what the page says."""


async def run(blocks: Sequence[Block], directory: Path, url: str, environ: dict[str, str]) -> list[str]:
    """What each block printed, run in one shell in order. Raises Printed where a command failed."""
    outputs = [directory / f"output-{number}" for number in range(len(blocks))]
    script = STAND_INS + "".join(
        f"{{ {commands(block).replace(LOCAL_ADDRESS, url)}\n}} > {output} 2>&1\n"
        for block, output in zip(blocks, outputs, strict=True)
    )
    complaint, exit_code = await run_bash(script, directory, {"ROOT": str(ROOT), "COLUMNS": "400", **environ})
    printed = [output.read_text() for output in outputs if output.exists()]
    if exit_code != 0:
        failed = blocks[max(len(printed) - 1, 0)]
        raise Printed(f"{failed}\n{failed.code}\n{''.join(printed[-1:])}{complaint}")
    return printed


async def run_bash(script: str, directory: Path, environ: dict[str, str]) -> tuple[str, int | None]:
    """What the script printed, and its exit code; nothing of this process's environment reaches it."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        script,
        cwd=directory,
        env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}", **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(YES), TIMEOUT_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return output.decode(), process.returncode


def commands(block: Block) -> str:
    """What is typed: all of it, or, where there are prompts, what stands behind them and its continuations."""
    return "\n".join(line.removeprefix(PROMPT) for line, is_typed in _lines(block) if is_typed)


def shown(block: Block) -> str:
    """What the block itself shows to be printed, below its prompts."""
    return "\n".join(line for line, is_typed in _lines(block) if not is_typed)


def _lines(block: Block) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is typed."""
    lines = block.code.splitlines()
    has_prompts = any(line.startswith(PROMPT) for line in lines)
    is_continued = False
    for line in lines:
        is_typed = not has_prompts or is_continued or line.startswith(PROMPT)
        is_continued = is_typed and line.endswith("\\")
        yield line, is_typed


def is_refused(output: str) -> bool:
    """Whether the service answered a problem, or an error of OAuth."""
    return re.search(r'\{"(type":"/problems/|error":")', output) is not None
