"""What `cms-service doctor` finds."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, and not as well or as safely as it could."""
    FAIL = "fail"
    """The service cannot work like this, or not for everybody."""


class Finding(Struct, frozen=True):
    """What one check found. It holds no secret."""

    check: str
    """The stable name of the check."""
    verdict: Verdict
    found: str
    advice: str | None = None
    """What to do, unless all is well."""


class Diagnosis(Struct, frozen=True):
    """Everything that was found; what could not be looked at is not in it."""

    verdict: Verdict
    """The worst of the findings."""
    findings: list[Finding]
