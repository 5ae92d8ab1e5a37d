"""Every rule that the project added to spectral.yaml finds what it is there for."""

import json
import subprocess
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # It parses one file of ours.

from tests.contract.breaches import BREACHES

FOLDER = Path(__file__).parent
OPENAPI = FOLDER.parents[1] / "openapi.json"
SPECTRAL = FOLDER.parents[1] / "build/contract/node_modules/.bin/spectral"


def test_every_rule_of_the_project_can_fail(tmp_path: Path) -> None:
    rules = yaml.safe_load((FOLDER / "spectral.yaml").read_text())["rules"]
    assert {name for name, rule in rules.items() if rule} == set(BREACHES)
    document = json.loads(OPENAPI.read_text())
    for breach in BREACHES.values():
        breach(document)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document))
    command: list[str | Path] = [
        SPECTRAL,
        "lint",
        "--ruleset",
        FOLDER / "spectral.yaml",
        "--format",
        "json",
        "--quiet",
        broken,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert result.returncode == 1, result.stderr
    assert set(BREACHES) <= {complaint["code"] for complaint in json.loads(result.stdout)}
