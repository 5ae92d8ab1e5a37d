"""Who has a role, and who holds a permission, where those are very many."""

import asyncio
from collections.abc import Iterator

import httpx

from cms_service.core.database import Position
from cms_service.core.security import CursorCodec, derive_key
from cms_service.operating import create_administrator
from tests.benchmarks.bench import ADMIN_EMAIL, CONNECTIONS, Bench, Subject
from tests.benchmarks.database import PASSWORD
from tests.benchmarks.load import Load
from tests.benchmarks.population import FAMILY, populate
from tests.benchmarks.report import Row
from tests.benchmarks.servers import Server, service_settings, serving_service

USERS = 100_000
PAGE = 20


def holders(bench: Bench) -> Iterator[Row]:
    """Pages of 20 of everybody, oldest first: all have three roles that inherit the one which is asked about."""
    population = populate(bench.database.url, "holders", USERS, FAMILY)
    asyncio.run(create_administrator(service_settings(population.url), ADMIN_EMAIL, PASSWORD))
    cursors = CursorCodec(derive_key(bench.settings.secret_key, "cursors"))
    before_last_page = Position("", sorted(population.user_ids)[-PAGE - 1])
    listings = {
        "users of an inherited role": f"roles/{population.inherited_role_id}/users",
        "holders of an inherited permission": f"permissions/{population.inherited_permission_id}/holders",
    }
    with serving_service(population.url, bench.log) as server:
        access_token = bench.sign_in(ADMIN_EMAIL, server)
        for kind, listing in listings.items():
            first = Load(f"{server.url}/api/v1/{listing}?limit={PAGE}", CONNECTIONS, access_token)
            cursor = cursors.encode(listing, before_last_page)
            last = Load(f"{first.url}&cursor={cursor}", CONNECTIONS, access_token)
            _require_full_pages(first, last)
            begin, end = bench.in_turn(_subject(bench, server, first), _subject(bench, server, last))
            work = f"{PAGE} of {USERS:,} {kind}: last page"
            yield Row(work, "the same: first page", begin, end, connections=CONNECTIONS)


def _subject(bench: Bench, server: Server, load: Load) -> Subject:
    return lambda: bench.load(server, load)


def _require_full_pages(first: Load, last: Load) -> None:
    """wrk looks at the status only."""
    headers = {"Authorization": f"Bearer {first.access_token}"}
    for url, least in ((f"{first.url}&include_total=true", USERS), (last.url, 0)):
        page = httpx.get(url, headers=headers).raise_for_status().json()
        if len(page["items"]) != PAGE or (page.get("total") or 0) < least:
            raise RuntimeError(f"{url} does not list whom it should: {page}")
