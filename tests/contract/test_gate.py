"""The gate catches what breaks clients, and lets pass what does not."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.changes import BREAKS, HARMLESS, Change, changed, document

GATE = Path(__file__).with_name("gate.cjs")
MODULES = GATE.parents[2] / "build/contract/node_modules"
NODE = shutil.which("node") or "node"


def caught(folder: Path, changes: dict[str, Change]) -> set[str]:
    """The names of the changes that the gate complains about, all in one run."""
    released = folder / "released.json"
    released.write_text(json.dumps(document()))
    files = {}
    for number, (name, change) in enumerate(changes.items()):
        files[f"{number}.json"] = name
        (folder / f"{number}.json").write_text(json.dumps(changed(change)))
    command: list[str | Path] = [NODE, GATE, released.name, *files]
    environ = {"NODE_PATH": str(MODULES)}
    result = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert result.stderr == ""
    complaints = {files[line.split(":")[0]] for line in result.stdout.splitlines()}
    assert result.returncode == (1 if complaints else 0)
    return complaints


@pytest.mark.parametrize(("changes", "is_caught"), [(BREAKS, True), (HARMLESS, False)], ids=["breaks", "harmless"])
def test_gate_tells_breaks_from_harmless_changes(tmp_path: Path, changes: dict[str, Change], is_caught: bool) -> None:
    assert caught(tmp_path, changes) == (set(changes) if is_caught else set())
