"""Says what is wrong with the text of an instant (RFC 3339)."""

import re
from calendar import monthrange
from datetime import MAXYEAR, MINYEAR, UTC, datetime

import msgspec

NOT_A_DATETIME = "not_a_datetime"
OUT_OF_RANGE = "out_of_range"

_INSTANT = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[Tt](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.\d{1,9})?"
    r"(?P<offset>[Zz]|[+-](?P<offset_hour>\d\d):?(?P<offset_minute>\d\d))?",
    re.ASCII,
)
_LOST_PLUS = re.compile(r".*[0-9] \d\d:?\d\d", re.ASCII)
_WHOLE = "A date and time with an offset is expected (RFC 3339), as in 2026-05-01T08:00:00Z."
_DAY = "The month of this year has no such day."
_MONTH = "The month must lie between 01 and 12."
_HOUR = "The hour must lie between 00 and 23."
_MINUTE = "The minute must lie between 00 and 59."
_SECOND = "The second must lie between 00 and 59; leap seconds are not accepted."
_OFFSET = "An offset has at most 23 hours and 59 minutes."
_NO_OFFSET = "The offset is missing: end with Z, or with one such as +02:00."
_SPACE_FOR_PLUS = "A space stands where the offset begins. In a query, write + as %2B."
_YEAR = "The year must lie between 2 and 9998."


def fault_of_instant(text: str) -> tuple[str, str] | None:
    """The code and the detail of what is wrong with it; None where it is an instant that is accepted."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return NOT_A_DATETIME, _SPACE_FOR_PLUS if _LOST_PLUS.fullmatch(text) else _WHOLE
    parts = {name: int(digits) for name, digits in match.groupdict(default="0").items() if digits.isdecimal()}
    if parts["year"] < MINYEAR:
        return OUT_OF_RANGE, _YEAR
    if (wrong := _wrong_part(parts)) is not None:
        return NOT_A_DATETIME, wrong
    if match["offset"] is None:
        return NOT_A_DATETIME, _NO_OFFSET
    return None if _is_in_range(text) else (OUT_OF_RANGE, _YEAR)


def _wrong_part(parts: dict[str, int]) -> str | None:
    if not 1 <= parts["month"] <= 12:
        return _MONTH
    bounds = (
        ("day", 1, monthrange(parts["year"], parts["month"])[1], _DAY),
        ("hour", 0, 23, _HOUR),
        ("minute", 0, 59, _MINUTE),
        ("second", 0, 59, _SECOND),
        ("offset_hour", 0, 23, _OFFSET),
        ("offset_minute", 0, 59, _OFFSET),
    )
    return next((detail for name, least, most, detail in bounds if not least <= parts[name] <= most), None)


def _is_in_range(text: str) -> bool:
    """PostgreSQL's driver takes the very first and the very last instant for infinity."""
    try:
        return MINYEAR < msgspec.convert(text, datetime).astimezone(UTC).year < MAXYEAR
    except (msgspec.ValidationError, OverflowError):
        # Its fraction rounds up, or its offset leads, beyond the last year.
        return False
