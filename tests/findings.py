"""The form that every finding of the doctor keeps."""

import re
from collections.abc import Iterable
from pathlib import Path

from cms_service.schemas import Finding, Verdict

CANARY = "Zq81-canary-of-the-doctor"
"""A secret in the settings of tests."""
GUIDE = (Path(__file__).parents[1] / "docs/operations/running.md").read_text()
EXPLAINED = {name for row in re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
"""The checks that the guide explains."""


def verdicts_of(findings: Iterable[Finding]) -> dict[str, Verdict]:
    """The verdict of each check, once the form of its finding is found right."""
    found = list(findings)
    assert CANARY not in repr(found)
    for each in found:
        assert each.check in EXPLAINED
        # A finding is a clause, its advice sentences.
        assert not each.found.endswith("."), each
        assert (each.advice is None) if each.verdict is Verdict.OK else (each.advice or "").endswith("."), each
    return {each.check: each.verdict for each in found}
