"""Signing keys, as the operator sees and changes them."""

import asyncio
from datetime import UTC, datetime

import rich_click as click

from cms_service.cli.console import prepare, print_json
from cms_service.core.config import Settings
from cms_service.core.database import running_database
from cms_service.operating import signing_keys
from cms_service.schemas import SigningKeyRead, SigningKeyState

COLUMNS = ("KEY", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM", "RETIRES")


@click.group()
def keys() -> None:
    """Show and change the keys that sign access tokens.

    They change by themselves every CMS_SIGNING_KEY_SECONDS; see docs/guides/keys.md.
    """


@keys.command("list")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON array instead.")
def list_keys(*, is_json: bool) -> None:
    """Show every key with its state and its times (UTC).

    \b
    States:
      published   verifiers know it; it does not sign yet
      signing     signs what is issued now
      verifying   has a successor; what it signed still counts
      retired     what it signed counts no more

    \b
    Examples:
      cms-service keys list
      cms-service keys list --json
    """  # noqa: D301 - \b tells click to keep the lines
    with running_database(prepare()) as running:
        found = asyncio.run(_list(running))
    if is_json:
        print_json(found)
        return
    rows = [COLUMNS, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@keys.command()
@click.option("--now", "is_immediate", is_flag=True, help="Sign with the next key at once.")
def rotate(*, is_immediate: bool) -> None:
    """Publish the next key now. It signs once it was published for CMS_SIGNING_KEY_AHEAD_SECONDS.

    With --now it signs at once. The service accepts its tokens everywhere; verifiers outside that keep the published
    keys in a cache refuse them until they read the keys again. No token that was issued before is refused.

    \b
    Examples:
      cms-service keys rotate
      cms-service keys rotate --now
    """  # noqa: D301 - \b tells click to keep the lines
    with running_database(prepare()) as running:
        key = asyncio.run(_rotate(running, is_immediate=is_immediate))
    if is_immediate:
        click.echo(
            f"Signing key {key.kid} signs from now on. "
            "Verifiers that cache the published keys refuse its tokens until they read them again."
        )
    else:
        click.echo(f"Signing key {key.kid} is published and signs from {_time(key.active_from)}.")


@keys.command()
@click.argument("kid", metavar="KEY")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retire(*, kid: str, yes: bool) -> None:
    """End a key at once, because somebody else may have it. What it signed is refused from now on.

    Sessions go on: clients refresh and get tokens of another key. If it was the one that signs, the next key takes
    over at once. Every worker knows within seconds; verifiers outside accept the key until they read the keys again.

    \b
    Examples:
      cms-service keys retire 5f2d3a7c9b1e4f60
    """  # noqa: D301 - \b tells click to keep the lines
    settings = prepare()
    if not yes:
        click.confirm(f"Every access token that signing key {kid} signed will be refused. Continue?", abort=True)
    with running_database(settings) as running:
        asyncio.run(_retire(running, kid))
        found = asyncio.run(_list(running))
    signing = next((key.kid for key in found if key.state is SigningKeyState.SIGNING), "none")
    click.echo(f"Signing key {kid} has retired. Signing now: {signing}.")


async def _list(settings: Settings) -> list[SigningKeyRead]:
    async with signing_keys(settings) as service:
        return await service.list_keys()


async def _rotate(settings: Settings, *, is_immediate: bool) -> SigningKeyRead:
    async with signing_keys(settings) as service:
        return await service.rotate(is_immediate=is_immediate)


async def _retire(settings: Settings, kid: str) -> None:
    async with signing_keys(settings) as service:
        await service.retire(kid)


def _row(key: SigningKeyRead) -> tuple[str, ...]:
    times = (_time(key.published_at), _time(key.active_from), _time(key.retires_at))
    return key.kid, key.algorithm, key.state, *times


def _time(instant: datetime | None) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if instant else "-"
