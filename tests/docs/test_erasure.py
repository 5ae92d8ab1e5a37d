"""The script of the page about erasure leaves nothing of a person, in any column of any table."""

import json
import os
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB

from cms_service.core.database.postgres_binaries import find_binaries
from cms_service.models import Base
from tests.api import given
from tests.api.credentials import login
from tests.api.given import Json
from tests.docs.shell import run_bash
from tests.docs.snippets import ROOT, blocks_of
from tests.factories import unique
from tests.fixtures import Caller, Database, Register

PAGE = "docs/operations/erasure.md"
CANARY = "canary"
PERSONAL = {
    "users.email",
    "users.display_name",
    "users.external_id",
    "refresh_tokens.user_agent",
    "user_roles.reason",
    "audit_events.before",
    "audit_events.after",
}
"""Columns of words in which the test plants what must be gone afterwards."""
PERSONAL_BY_OTHER_MEANS = {"users.password_hash", "refresh_tokens.ip", "refresh_tokens.secret", "audit_events.ip"}
"""They are gone with the row, or counted apart."""
NOT_PERSONAL = {
    "access_changes.kind",
    "api_keys.digest",
    "api_keys.name",
    "audit_events.action",
    "audit_events.request_id",
    "audit_events.target_type",
    "idempotency_keys.digest",
    "idempotency_keys.sealed_answer",  # Encrypted, and gone within a day: the page says so.
    "permissions.description",
    "permissions.name",
    "refresh_tokens.revoked_reason",
    "roles.description",
    "roles.name",
    "roles.title",
    "service_account_roles.reason",
    "service_account_roles.scope",
    "service_accounts.description",
    "service_accounts.name",
    "signing_keys.algorithm",
    "signing_keys.encrypted_private_key",
    "signing_keys.kid",
    "throttles.purpose",
    "throttles.subject",
    "user_roles.scope",
}
WORDS = {"email", "display_name", "external_id", "reason"}
"""Members of audit events that the script replaces."""
FACTS = {
    "created_at",
    "email_verified_at",
    "expires_at",
    "granted_at",
    "granted_by",
    "id",
    "is_active",
    "not_before",
    "role",
    "roles",
    "scope",
    "updated_at",
    "version",
}
"""Members that stay, since they describe nobody."""


async def erase(database: Database, user_id: str, directory: Path) -> tuple[str, int | None]:
    (command,) = [block.code for block in blocks_of(PAGE) if block.language == "console"]
    environ = {
        "CMS_DATABASE_DIRECT_URL": database.url.replace("+asyncpg", ""),
        "ERASED_ID": user_id,
        "PATH": f"{find_binaries(None, None)}:{os.defpath}",
    }
    return await run_bash(f"cd {ROOT}\n{command}", directory, environ)


async def columns_with(db: asyncpg.Connection, text: str) -> set[str]:
    """Every column of every table that holds the text, an id also in bytes."""
    patterns = [f"%{form}%" for form in (text, text.encode().hex(), text.replace("-", ""))]
    columns = await db.fetch(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c "
        "JOIN pg_class t ON t.oid = c.table_name::regclass AND NOT t.relispartition WHERE c.table_schema = 'public'"
    )
    found = set()
    for table, column in columns:
        query = f'SELECT EXISTS (SELECT FROM "{table}" WHERE "{column}"::text ILIKE ANY ($1))'  # noqa: S608
        if await db.fetchval(query, patterns):
            found.add(f"{table}.{column}")
    return found


def test_every_column_of_words_is_known_to_be_personal_or_not() -> None:
    words = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, String | JSONB | LargeBinary)
    }

    assert words == PERSONAL | PERSONAL_BY_OTHER_MEANS | NOT_PERSONAL


async def test_nothing_of_a_person_is_left_when_the_script_has_run(
    admin: Caller, register: Register, db: asyncpg.Connection, database: Database, tmp_path: Path
) -> None:
    canary = unique(CANARY)
    names = {"email": f"{canary}@example.org", "display_name": f"{canary} Example"}
    ada, other = await register(**names), await register()
    path = f"/api/v1/users/{ada.id}"
    role = await given.role(admin)
    await given.assignment(admin, ada.id, role["id"], scope="site:blog", reason=f"{canary} looks after it")
    await given.assignment(admin, ada.id, role["id"], scope="site:blog", reason=f"{canary} still does")
    assert (await admin.patch(path, {"external_id": canary, "display_name": f"{canary} B"}, if_match="*")).is_success
    assert (await ada.patch("/api/v1/users/me", {"email": f"b{canary}@example.org"}, if_match="*")).is_success
    credentials = {"email": f"b{canary}@example.org", "password": ada.password}
    await ada.http.post("/api/v1/auth/login", json=credentials, headers={"User-Agent": f"{canary}/1.0"})
    await login(ada.http, f"b{canary}@example.org", "a wrong password")
    await given.assignment(admin, other.id, role["id"])
    assert await columns_with(db, canary) == PERSONAL
    before = await events_of(db, ada.id)
    assert {name for event in before for side in ("before", "after") for name in event[side]} <= WORDS | FACTS
    bystanders = await db.fetch("SELECT id, ip, before, after FROM audit_events WHERE actor_id = $1", other.id)

    # An account that counts is left alone.
    output, code = await erase(database, ada.id, tmp_path)
    assert code != 0
    assert "Delete the account through the API first" in output
    assert await columns_with(db, canary) == PERSONAL

    assert (await admin.delete(path, if_match="*")).is_success
    before = await events_of(db, ada.id)
    output, code = await erase(database, ada.id, tmp_path)

    assert code == 0, output
    assert await columns_with(db, canary) == set()
    assert await columns_with(db, ada.id) - {"access_changes.subject_id"} == {
        "audit_events.actor_id",
        "audit_events.target_id",
        "audit_events.before",
        "audit_events.after",
    }
    assert not await db.fetchval("SELECT EXISTS (SELECT FROM users WHERE id = $1)", ada.id)
    assert not await db.fetchval("SELECT EXISTS (SELECT FROM refresh_tokens WHERE user_id = $1)", ada.id)
    assert not await db.fetchval(
        "SELECT EXISTS (SELECT FROM audit_events WHERE ip IS NOT NULL "
        "AND (actor_id = $1 OR (target_id = $1 AND actor_id IS NULL)))",
        ada.id,
    )
    assert not await db.fetchval(
        "SELECT EXISTS (SELECT FROM audit_events WHERE ip IS NULL AND actor_id = $1 AND target_id = $2)",
        admin.id,
        ada.id,
    )
    # The trail tells the same story, in the same order, without the words.
    after = await events_of(db, ada.id)
    assert [story(event) for event in after] == [story(event) for event in before]
    assert await db.fetch("SELECT id, ip, before, after FROM audit_events WHERE actor_id = $1", other.id) == bystanders
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await db.execute("UPDATE audit_events SET ip = NULL WHERE actor_id = $1", other.id)
    listed = (await admin.get("/api/v1/audit-events", params={"target_id": ada.id, "target_type": "user"})).json()
    assert {event["action"] for event in listed["items"]} >= {"user.registered", "user.updated", "user.deleted"}
    assert (await admin.post(f"{path}/restore")).status_code == 404


async def events_of(db: asyncpg.Connection, user_id: str) -> list[Json]:
    await db.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    rows = await db.fetch(
        "SELECT * FROM audit_events WHERE target_type = 'user' AND target_id = $1 ORDER BY at, id", user_id
    )
    return [dict(row) | {"before": row["before"] or {}, "after": row["after"] or {}} for row in rows]


def story(event: Json) -> Json:
    """All of the event but its words and its address."""
    kept = {name: value for name, value in event.items() if name not in {"before", "after", "ip"}}
    for side in ("before", "after"):
        kept[side] = {name: "words" if name in WORDS and value else value for name, value in event[side].items()}
    return kept
