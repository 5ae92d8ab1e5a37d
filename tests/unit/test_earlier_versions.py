"""Tokens, sealed texts and locks of earlier versions keep their meaning. Never replace the values in this module."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from cms_service.core.database import Position
from cms_service.core.database.migrations import ADVISORY_LOCK_KEY
from cms_service.core.security import (
    API_KEY_SECRET_BYTES,
    SECRET_BYTES,
    CursorCodec,
    Device,
    DeviceTokenCodec,
    RefreshTokenCodec,
    Sealer,
    derive_key,
)
from cms_service.repositories.access import WITHDRAWALS_LOCK
from cms_service.repositories.housekeeping import HOUSEKEEPING_LOCK
from cms_service.repositories.signing_key import CHANGES_LOCK
from tests.unit.opaque_tokens import ID

KEY = b"k" * 32


def test_device_token_of_an_earlier_version_names_its_device() -> None:
    token = "cms_d_03jBoGyXx5sbNqdZPm6Osu0W2659OhmNSJp6udZZDLAx761E5ImZ6xNE0VbWQq64nUEK3fknk2yYTsF"
    signed_in_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    device = Device(ID, UUID("0190c8a0-7a1b-7c3d-8e4f-00000000000b"), signed_in_at)

    assert DeviceTokenCodec(KEY).decode(token, signed_in_at) == device


def test_refresh_token_of_an_earlier_version_names_its_session() -> None:
    token = "cms_r_0DYkHux8Dorb1CLe0W32ZIzvRmdfCezyMHwWF2ao4HOzm7cf8gfUKeOkt5GbT9gZGrU0rZ32mkdo"

    assert RefreshTokenCodec(KEY).decode(token) == RefreshTokenCodec(KEY).decode(
        RefreshTokenCodec(KEY).encode(ID, b"s" * 32, 7)
    )


def test_cursor_of_an_earlier_version_names_its_row() -> None:
    cursor = (
        "NGTG0HOC9p-OwMAbuUiMs1sidXNlcnMvZW1haWwiLFsiYWRhQGV4YW1wbGUu"
        "b3JnIiwiMDE5MGM4YTAtN2ExYi03YzNkLThlNGYtMDAwMDAwMDAwMDBhIl1d"
    )

    assert CursorCodec(KEY).decode("users/email", cursor) == Position("ada@example.org", ID)


def test_text_that_an_earlier_version_has_sealed_is_opened() -> None:
    sealed = bytes.fromhex("6e6e6e6e6e6e6e6e6e6e6e6eeb5e86dc74d07655b6483e6eb00a18a9677390198ac4")

    assert Sealer(KEY).unseal(sealed, context="context") == b"sealed"


def test_key_for_a_purpose_is_that_of_an_earlier_version() -> None:
    key = "a26ee949a6b1c0c71e502ff822eb1931f09dfada3f0c47dcda55e4290737d6e2"

    assert derive_key(KEY, "refresh-tokens").hex() == key


@pytest.mark.parametrize("secret_bytes", [API_KEY_SECRET_BYTES, SECRET_BYTES])
def test_secret_has_256_bits(secret_bytes: int) -> None:
    assert secret_bytes == 32


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        (ADVISORY_LOCK_KEY, b"cms-migr"),
        (CHANGES_LOCK, b"cms_key"),
        (HOUSEKEEPING_LOCK, b"cms_hous"),
        (WITHDRAWALS_LOCK, b"cms_adm"),
    ],
)
def test_versions_exclude_each_other_by_the_same_lock(lock: int, name: bytes) -> None:
    assert lock == int.from_bytes(name)
