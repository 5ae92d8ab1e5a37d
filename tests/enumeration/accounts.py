"""Accounts of every kind that cannot be signed in to, each for one attempt: five failures would hold it up."""

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shutil import rmtree
from typing import Any

import argon2
import msgspec
from uuid_utils.compat import uuid7

from cms_service.core.database import EmbeddedPostgres, upgrade
from cms_service.core.security import ARGON2ID
from tests.fixtures import Database, make_reachable_directory

RIGHT = "everybody here has this password"
WRONG = "nobody in this town has this one"
NAME_BYTES = 8
"""All addresses are equally long and tell nothing: the only difference is what is behind them."""


class Kind(msgspec.Struct, frozen=True):
    """What may be wrong with an attempt."""

    name: str
    password: str
    """That is tried."""
    account: dict[str, str] | None = msgspec.field(default_factory=dict)
    """SQL for the columns in which it differs from an account that is in use; None where there is no account."""


UNKNOWN = Kind("unknown address", WRONG, None)
KINDS: Sequence[Kind] = (
    UNKNOWN,
    Kind("wrong password", WRONG),
    Kind("inactive, wrong password", WRONG, {"is_active": "false"}),
    Kind("inactive, right password", RIGHT, {"is_active": "false"}),
    Kind("deleted, wrong password", WRONG, {"deleted_at": "now()"}),
    Kind("deleted, right password", RIGHT, {"deleted_at": "now()"}),
    Kind("without a password", WRONG, {"password_hash": "NULL"}),
)


class Attempt(msgspec.Struct, frozen=True):
    """A sign-in to an address that is used once."""

    kind: Kind
    email: str


def draw_attempts(rounds: int) -> list[Attempt]:
    """Every kind once in each round, in random order, so that whatever drifts drifts for all of them."""
    shuffled = [kind for _ in range(rounds) for kind in random.sample(KINDS, len(KINDS))]
    return [Attempt(kind, f"{secrets.token_hex(NAME_BYTES)}@example.org") for kind in shuffled]


@contextmanager
def server() -> Iterator[Database]:
    """A migrated database, which waits for no disk: that would only hide what there is to see."""
    directory = make_reachable_directory()
    try:
        with EmbeddedPostgres(directory / "postgres", durable=False) as postgres:
            upgrade(postgres.url)
            yield Database("postgres", postgres.url)
    finally:
        rmtree(directory, ignore_errors=True)


async def open_accounts(database: Database, attempts: Sequence[Attempt]) -> None:
    """Every attempt finds what it should."""
    password_hash = argon2.PasswordHasher.from_parameters(ARGON2ID).hash(RIGHT)
    records: list[tuple[Any, ...]] = [
        (uuid7(), attempt.email, "Ada Example", password_hash)
        for attempt in attempts
        if attempt.kind.account is not None
    ]
    connection = await database.connect()
    try:
        columns = ["id", "email", "display_name", "password_hash"]
        await connection.copy_records_to_table("users", columns=columns, records=records)
        for kind in KINDS:
            if kind.account:
                changes = ", ".join(f"{column} = {value}" for column, value in kind.account.items())
                emails = [attempt.email for attempt in attempts if attempt.kind is kind]
                await connection.execute(f"UPDATE users SET {changes} WHERE email = ANY($1)", emails)  # noqa: S608
        await connection.execute("VACUUM ANALYZE users")
    finally:
        await connection.close()
