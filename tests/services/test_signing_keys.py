"""The life of signing keys, in a database where time passes as fast as a test wants it to."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from cms_service.core.config import SigningAlgorithm, load_settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.dependencies import Clock, SystemClock, SystemEntropy
from cms_service.core.exceptions import ConfigurationError, Conflict, NotFound, ServiceUnavailable
from cms_service.core.security import Sealer
from cms_service.schemas import SigningKeyRead
from cms_service.services import KeyRing, KeySchedule, SigningKeyService
from tests.clocks import SetClock, SkewedClock
from tests.fixtures import DatabaseFactory, service_environ

DAY = timedelta(days=1)
TOKEN_LIFETIME = timedelta(minutes=5)
OVERLAP = timedelta(seconds=300 + 2 * 30 + 15)
"""A token's life, clocks that are slow or fast, and processes that have not heard of the next key yet."""
SCHEDULE = KeySchedule(SigningAlgorithm.EDDSA, signs_for=90 * DAY, published_ahead=DAY, token_lifetime=TOKEN_LIFETIME)
OLD, NEW, FOREIGN = (secrets.token_bytes(32) for _ in range(3))


class Keys:
    """The keys of one database."""

    def __init__(self, engine: AsyncEngine, connection: asyncpg.Connection) -> None:
        self.work = partial(unit_of_work, engine)
        self.sql = connection

    @asynccontextmanager
    async def service(
        self, schedule: KeySchedule = SCHEDULE, sealer: Sealer | None = None
    ) -> AsyncIterator[SigningKeyService]:
        async with self.work() as work:
            yield SigningKeyService(work, sealer or Sealer(OLD), schedule, SystemEntropy())

    def ring(
        self, schedule: KeySchedule = SCHEDULE, sealer: Sealer | None = None, clock: Clock | None = None
    ) -> KeyRing:
        return KeyRing(self.work, sealer or Sealer(OLD), schedule, clock or SystemClock(), SystemEntropy())

    async def keep_up(self, schedule: KeySchedule = SCHEDULE, sealer: Sealer | None = None) -> None:
        async with self.service(schedule, sealer) as service:
            await service.keep_up()

    async def rotate(self, *, is_immediate: bool = False) -> SigningKeyRead:
        async with self.service() as service:
            return await service.rotate(is_immediate=is_immediate)

    async def retire(self, kid: str) -> None:
        async with self.service() as service:
            await service.retire(kid)

    async def all(self) -> list[SigningKeyRead]:
        async with self.service() as service:
            return await service.list_keys()

    async def states(self) -> list[str]:
        return [key.state.value for key in await self.all()]

    async def let_pass(self, duration: timedelta) -> None:
        """Everything so far happened that much earlier."""
        await self.sql.execute(
            "UPDATE signing_keys SET published_at = published_at - $1::interval, "
            "active_from = active_from - $1::interval, retires_at = retires_at - $1::interval",
            duration,
        )

    async def sealed(self) -> dict[str, bytes]:
        rows = await self.sql.fetch("SELECT kid, encrypted_private_key FROM signing_keys")
        return {row["kid"]: row["encrypted_private_key"] for row in rows}


@pytest.fixture
async def keys(fresh_database: DatabaseFactory) -> AsyncIterator[Keys]:
    database = await fresh_database()
    engine = create_engine(load_settings(service_environ(database)))
    connection = await database.connect()
    yield Keys(engine, connection)
    await connection.close()
    await engine.dispose()


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
async def test_key_is_published_then_signs_then_verifies_then_retires(keys: Keys, algorithm: SigningAlgorithm) -> None:
    schedule = msgspec.structs.replace(SCHEDULE, algorithm=algorithm)
    states = []

    async def observe(passed: timedelta) -> None:
        await keys.let_pass(passed)
        await keys.keep_up(schedule)
        states.append(await keys.states())

    for passed in (timedelta(0), 89 * DAY - timedelta(minutes=1), timedelta(minutes=2), DAY, OVERLAP):
        await observe(passed)

    assert states == [
        ["signing"],
        ["signing"],
        ["signing", "published"],
        ["verifying", "signing"],
        ["retired", "signing"],
    ]
    first, second = await keys.all()
    assert first.algorithm == second.algorithm == algorithm
    assert second.active_from - second.published_at == DAY
    assert first.retires_at == second.active_from + OVERLAP


async def test_one_key_is_made_when_many_find_it_due_at_once(keys: Keys) -> None:
    for states in (["signing"], ["signing", "published"], ["verifying", "signing"]):
        await asyncio.gather(*(keys.keep_up() for _ in range(8)))
        assert await keys.states() == states
        await keys.let_pass(DAY if "published" in states else 89 * DAY)


async def test_another_algorithm_comes_with_the_next_key_which_is_made_at_once(keys: Keys) -> None:
    await keys.keep_up()
    es256 = msgspec.structs.replace(SCHEDULE, algorithm=SigningAlgorithm.ES256)

    for _ in range(3):
        await keys.keep_up(es256)

    assert [(key.algorithm, key.state) for key in await keys.all()] == [("EdDSA", "signing"), ("ES256", "published")]
    await keys.let_pass(DAY)
    ring = keys.ring(es256)
    assert (await ring.signer()).algorithm is SigningAlgorithm.ES256
    assert [jwk.alg for jwk in (await ring.public_keys()).key_set.keys] == ["EdDSA", "ES256"]


async def test_never_two_keys_wait_when_replicas_want_different_algorithms(keys: Keys) -> None:
    schedules = [msgspec.structs.replace(SCHEDULE, algorithm=algorithm) for algorithm in SigningAlgorithm]

    for _ in range(3):
        for _ in range(3):
            await asyncio.gather(*(keys.keep_up(schedule) for schedule in schedules))
        assert (await keys.states()).count("published") <= 1
        await keys.let_pass(DAY)

    assert len(await keys.all()) <= 4


async def test_key_retires_later_when_tokens_are_made_to_live_longer(keys: Keys) -> None:
    await keys.keep_up()
    successor = await keys.rotate()
    longer = msgspec.structs.replace(SCHEDULE, token_lifetime=timedelta(hours=1))

    await keys.keep_up(longer)
    await keys.keep_up()

    assert (await keys.all())[0].retires_at == successor.active_from + longer.outlives_successor_by


async def test_operator_publishes_the_next_key_once(keys: Keys) -> None:
    await keys.keep_up()

    successor = await keys.rotate()
    with pytest.raises(Conflict, match=f"{successor.kid} is published already and signs from"):
        await keys.rotate()

    assert await keys.states() == ["signing", "published"]
    assert successor.active_from - successor.published_at == DAY


async def test_first_key_is_made_when_a_process_needs_one(keys: Keys) -> None:
    signer = await keys.ring().signer()

    assert [key.kid for key in await keys.all()] == [signer.kid]
    assert await keys.states() == ["signing"]


@pytest.mark.parametrize("is_immediate", [False, True])
async def test_operator_makes_the_first_key_sign_at_once_when_there_is_none(keys: Keys, is_immediate: bool) -> None:
    first = await keys.rotate(is_immediate=is_immediate)

    assert await keys.states() == ["signing"]
    assert first.retires_at is None
    assert (await keys.ring().signer()).kid == first.kid


async def test_operator_makes_a_new_key_sign_at_once(keys: Keys) -> None:
    await keys.keep_up()

    successor = await keys.rotate(is_immediate=True)

    first, second = await keys.all()
    assert (first.state, second.state, second.kid) == ("verifying", "signing", successor.kid)
    assert first.retires_at == successor.active_from + OVERLAP


async def test_operator_makes_the_key_that_waits_sign_at_once(keys: Keys) -> None:
    await keys.keep_up()
    waiting = await keys.rotate()

    signing = await keys.rotate(is_immediate=True)

    assert signing.kid == waiting.kid
    assert await keys.states() == ["verifying", "signing"]
    assert (await keys.all())[0].retires_at == signing.active_from + OVERLAP


async def test_another_key_signs_at_once_when_the_only_one_retires(keys: Keys) -> None:
    await keys.keep_up()
    (only,) = await keys.all()

    await keys.retire(only.kid)

    assert await keys.states() == ["retired", "signing"]
    ring = keys.ring()
    assert await ring.verifier(only.kid) is None
    assert (await ring.signer()).kid != only.kid


async def test_key_that_waits_signs_at_once_when_the_one_that_signs_retires(keys: Keys) -> None:
    await keys.keep_up()
    waiting = await keys.rotate()

    await keys.retire((await keys.all())[0].kid)

    assert await keys.states() == ["retired", "signing"]
    assert (await keys.all())[1].kid == waiting.kid


async def test_another_key_waits_when_the_one_that_waited_retires(keys: Keys) -> None:
    await keys.keep_up()
    waiting = await keys.rotate()

    await keys.retire(waiting.kid)

    first, _, third = await keys.all()
    assert await keys.states() == ["signing", "retired", "published"]
    assert first.retires_at == third.active_from + OVERLAP


async def test_old_key_does_not_live_longer_when_its_successor_retires(keys: Keys) -> None:
    await keys.keep_up()
    await keys.rotate(is_immediate=True)
    first, second = await keys.all()

    await keys.retire(second.kid)

    assert await keys.states() == ["verifying", "retired", "signing"]
    assert (await keys.all())[0].retires_at == first.retires_at


async def test_key_that_only_verifies_retires_alone(keys: Keys) -> None:
    await keys.keep_up()
    await keys.rotate(is_immediate=True)

    await keys.retire((await keys.all())[0].kid)

    assert await keys.states() == ["retired", "signing"]


async def test_retirement_is_refused_when_there_is_nothing_to_retire(keys: Keys) -> None:
    await keys.keep_up()
    (only,) = await keys.all()

    with pytest.raises(NotFound, match=r"There is no signing key nobody\."):
        await keys.retire("nobody")
    await keys.retire(only.kid)
    with pytest.raises(Conflict, match=f"Signing key {only.kid} has retired already"):
        await keys.retire(only.kid)


async def test_what_happens_to_keys_is_recorded(keys: Keys) -> None:
    await keys.keep_up()
    waiting = await keys.rotate()
    await keys.retire((await keys.all())[0].kid)

    rows = await keys.sql.fetch("SELECT action, after->>'kid' AS kid, after FROM audit_events ORDER BY at, id")
    first, second = [key.kid for key in await keys.all()]
    assert sorted((row["action"], row["kid"]) for row in rows) == sorted(
        [
            ("signing_key.activated", second),
            ("signing_key.published", first),
            ("signing_key.published", second),
            ("signing_key.retired", first),
        ]
    )
    assert waiting.kid == second
    assert all("private" not in row["after"] for row in rows)


@pytest.mark.parametrize("skew_seconds", [-30, 0, 30])
async def test_replica_with_a_wrong_clock_neither_signs_nor_accepts_what_others_refuse(
    keys: Keys, skew_seconds: int
) -> None:
    await keys.keep_up()
    (old,) = await keys.all()

    def rings() -> list[KeyRing]:
        return [keys.ring(clock=SkewedClock(skew_seconds)), keys.ring()]

    async def accept_each_other() -> bool:
        both = rings()
        kids = [(await ring.signer()).kid for ring in both]
        return all([await ring.verifier(kid) for ring in both for kid in kids])

    assert await accept_each_other()
    await keys.rotate(is_immediate=True)
    assert await accept_each_other()
    # By its own clock no replica has seen the last token of the old key expire.
    await keys.let_pass(OVERLAP - timedelta(seconds=max(0, skew_seconds) + 10))
    assert all([await ring.verifier(old.kid) for ring in rings()])
    await keys.retire(old.kid)
    assert not any([await ring.verifier(old.kid) for ring in rings()])


async def test_key_of_another_replica_is_found_when_a_token_names_it(keys: Keys) -> None:
    await keys.keep_up()
    ring = keys.ring()
    await ring.signer()
    one, another = [await keys.rotate(is_immediate=True) for _ in range(2)]

    found = await asyncio.gather(*(ring.verifier(one.kid) for _ in range(20)))

    assert all(verifier is not None and verifier.kid == one.kid for verifier in found)
    assert await ring.verifier(another.kid) is not None


async def test_table_is_not_read_for_every_unknown_key(keys: Keys) -> None:
    await keys.keep_up()
    ring = keys.ring(clock=SetClock())
    assert await ring.verifier("unknown") is None
    made_meanwhile = await keys.rotate(is_immediate=True)

    found = [await ring.verifier(kid) for kid in ("unknown", made_meanwhile.kid)]

    assert found == [None, None]


async def test_key_is_sealed_again_when_the_secret_key_has_changed(keys: Keys) -> None:
    await keys.keep_up(sealer=Sealer(OLD))
    before = await keys.sealed()
    signer = await keys.ring(sealer=Sealer(OLD)).signer()

    await keys.keep_up(sealer=Sealer(OLD, NEW))
    assert await keys.sealed() == before
    await keys.keep_up(sealer=Sealer(NEW, OLD))
    after = await keys.sealed()
    await keys.keep_up(sealer=Sealer(NEW, OLD))

    assert after.keys() == before.keys()
    assert after != before
    assert await keys.sealed() == after, "what is sealed under the present key stays as it is"
    again = await keys.ring(sealer=Sealer(NEW)).signer()
    assert (again.kid, again.private_key.public_key()) == (signer.kid, signer.private_key.public_key())
    with pytest.raises(ConfigurationError):
        await keys.ring(sealer=Sealer(OLD)).check()


async def test_key_stays_readable_when_replicas_disagree_on_the_present_secret_key(keys: Keys) -> None:
    await keys.keep_up(sealer=Sealer(OLD))
    sealers = [Sealer(OLD, NEW), Sealer(NEW, OLD)]

    for _ in range(3):
        await asyncio.gather(*(keys.keep_up(sealer=sealer) for sealer in sealers * 3))
        for sealer in sealers:
            await keys.ring(sealer=sealer).check()

    assert await keys.states() == ["signing"]


async def test_process_with_a_foreign_secret_key_changes_nothing(keys: Keys) -> None:
    await keys.keep_up()
    await keys.let_pass(100 * DAY)
    before = await keys.sealed()
    (only,) = before
    foreign = Sealer(FOREIGN, NEW)

    with pytest.raises(ConfigurationError, match=f"CMS_SECRET_KEY is not the one under which signing key {only}"):
        await keys.ring(sealer=foreign).check()
    with pytest.raises(ConfigurationError):
        await keys.keep_up(sealer=foreign)
    for change in ("rotate", "retire"):
        with pytest.raises(ConfigurationError):
            async with keys.service(sealer=foreign) as service:
                await (service.rotate(is_immediate=True) if change == "rotate" else service.retire(only))

    assert await keys.sealed() == before


async def test_keys_are_published_by_a_process_that_has_not_read_them_yet(keys: Keys) -> None:
    await keys.keep_up()
    [only] = await keys.all()

    published = await keys.ring().public_keys()

    assert [jwk.kid for jwk in published.key_set.keys] == [only.kid]


async def test_nothing_is_signed_when_no_key_can_be_opened(keys: Keys) -> None:
    await keys.keep_up()
    ring = keys.ring(sealer=Sealer(FOREIGN))

    with pytest.raises(ServiceUnavailable) as refusal:
        await ring.signer()

    assert refusal.value.retry_after_seconds == 1
    assert (await ring.public_keys()).key_set.keys == []


async def test_key_that_cannot_be_opened_is_told_once_and_keeps_no_other_from_working(keys: Keys) -> None:
    await keys.keep_up()
    await keys.rotate(is_immediate=True)
    closed, opened = await keys.all()
    # Each is sealed for its own row.
    await keys.sql.execute(
        "UPDATE signing_keys SET encrypted_private_key = (SELECT encrypted_private_key FROM signing_keys"
        " WHERE kid = $1) WHERE kid = $2",
        opened.kid,
        closed.kid,
    )
    clock = SetClock()
    ring = keys.ring(clock=clock)

    with capture_logs() as logged:
        for _ in range(3):
            assert (await ring.signer()).kid == opened.kid
            clock.at += timedelta(minutes=1)

    [line] = [line for line in logged if line["event"] == "signing_key_unreadable"]
    assert closed.kid in line["detail"]
    assert await ring.verifier(closed.kid) is None
    assert await ring.verifier(opened.kid) is not None
    assert [jwk.kid for jwk in (await ring.public_keys()).key_set.keys] == [opened.kid]
    with pytest.raises(ServiceUnavailable, match="does not open the signing keys"):
        await ring.check_readable()


async def test_signer_is_read_again_when_it_was_read_fifteen_seconds_ago(keys: Keys) -> None:
    await keys.keep_up()
    clock = SetClock()
    ring = keys.ring(clock=clock)
    known = await ring.signer()
    successor = await keys.rotate(is_immediate=True)
    read_at = clock.at = clock.at + timedelta(seconds=1)  # By now the successor signs for this clock, too.

    signers = []
    for seconds in (13.999999, 14):
        clock.at = read_at + timedelta(seconds=seconds)
        signers.append((await ring.signer()).kid)

    assert signers == [known.kid, successor.kid]


async def test_clock_that_was_set_back_makes_the_keys_be_read_again(keys: Keys) -> None:
    await keys.keep_up()
    clock = SetClock()
    ring = keys.ring(clock=clock)
    (only,) = await keys.all()
    await ring.signer()
    await keys.let_pass(DAY)
    await keys.rotate(is_immediate=True)
    clock.at -= timedelta(microseconds=1)
    await ring.signer()

    assert len((await ring.public_keys()).key_set.keys) == 2
    assert await ring.verifier(only.kid) is not None


async def test_table_is_read_for_unknown_keys_once_a_second(keys: Keys) -> None:
    await keys.keep_up()
    clock = SetClock()
    ring = keys.ring(clock=clock)
    assert await ring.verifier("unknown") is None
    made_meanwhile = await keys.rotate(is_immediate=True)

    found = []
    for seconds in (0.999999, 0.000001):
        clock.at += timedelta(seconds=seconds)
        found.append(await ring.verifier(made_meanwhile.kid) is not None)

    assert found == [False, True]


@pytest.mark.parametrize(
    ("ahead_seconds", "reload_seconds", "caching_seconds"),
    [(4, 1, 2), (19, 4.75, 9), (20, 5, 10), (21, 5, 10), (599, 5, 299), (600, 5, 300), (602, 5, 300)],
)
def test_keys_are_read_and_cached_for_parts_of_the_time_that_they_are_published_ahead(
    ahead_seconds: int, reload_seconds: float, caching_seconds: int
) -> None:
    schedule = msgspec.structs.replace(SCHEDULE, published_ahead=timedelta(seconds=ahead_seconds))
    assert (schedule.reload_seconds, schedule.caching_seconds) == (reload_seconds, caching_seconds)
