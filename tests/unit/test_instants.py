import pytest

from cms_service.api.instants import fault_of_instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T08:00:00Z",
        "2026-05-01t08:00:00z",
        "2026-05-01T08:00:00.123456789+0530",
        "2028-02-29T23:59:59-23:59",
        "2000-02-29T00:00:00-00:00",
        "0002-01-01T00:00:00Z",
        "9998-12-31T23:59:59Z",
    ],
)
def test_instant_is_accepted_when_it_exists(text: str) -> None:
    assert fault_of_instant(text) is None


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("2027-02-29T00:00:00Z", "not_a_datetime", "day"),
        ("1900-02-29T00:00:00Z", "not_a_datetime", "day"),
        ("2027-04-31T00:00:00Z", "not_a_datetime", "day"),
        ("2027-01-00T00:00:00Z", "not_a_datetime", "day"),
        ("2027-13-01T00:00:00Z", "not_a_datetime", "month"),
        ("2027-00-01T00:00:00Z", "not_a_datetime", "month"),
        ("2027-01-01T24:00:00Z", "not_a_datetime", "hour"),
        ("2027-01-01T25:00:00Z", "not_a_datetime", "hour"),
        ("2027-01-01T10:60:00Z", "not_a_datetime", "minute"),
        ("2027-01-01T10:00:60Z", "not_a_datetime", "second"),
        ("2027-01-01T10:00:00+24:00", "not_a_datetime", "offset"),
        ("2027-01-01T10:00:00-02:60", "not_a_datetime", "offset"),
        ("2027-01-01T10:00:00", "not_a_datetime", "offset is missing"),
        ("2027-01-01T10:00:00.5", "not_a_datetime", "offset is missing"),
        ("2027-01-01T10:00:00 02:00", "not_a_datetime", "%2B"),
        ("2027-01-01", "not_a_datetime", "RFC 3339"),
        ("2027-01-01T10:00Z", "not_a_datetime", "RFC 3339"),
        ("2027-01-01T10:00:00Z\n", "not_a_datetime", "RFC 3339"),
        ("12027-01-01T10:00:00Z", "not_a_datetime", "RFC 3339"),
        ("٢٠٢٧-01-01T10:00:00Z", "not_a_datetime", "RFC 3339"),
        ("", "not_a_datetime", "RFC 3339"),
        ("0000-01-01T10:00:00Z", "out_of_range", "year"),
        ("0001-12-31T23:59:59Z", "out_of_range", "year"),
        ("9999-01-01T00:00:00Z", "out_of_range", "year"),
        ("9998-12-31T23:59:59-23:59", "out_of_range", "year"),
        ("9999-12-31T23:59:59.9999999Z", "out_of_range", "year"),
    ],
)
def test_fault_of_an_instant_is_named(text: str, code: str, word: str) -> None:
    fault = fault_of_instant(text)
    assert fault is not None
    assert fault[0] == code
    assert word in fault[1]
