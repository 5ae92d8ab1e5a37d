import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from threading import Event, Thread

import argon2
import pytest

from cms_service.core.exceptions import Overloaded, ServiceUnavailable
from cms_service.core.security import ARGON2ID, PasswordHasher

CHEAP = argon2.profiles.CHEAPEST
PASSWORD = "seven green owls on a wire"

HASH_AS_A_USER = f"""
import argon2, asyncio, os, sys, threading
from cms_service.core.security import PasswordHasher

async def hash_once():
    hasher = PasswordHasher(1, 1, argon2.profiles.CHEAPEST)
    stored = await hasher.hash({PASSWORD!r})
    thread = hasher._threads.submit(threading.get_native_id).result()
    print(os.getpriority(os.PRIO_PROCESS, thread), (await hasher.check(stored, {PASSWORD!r})).is_correct)

os.setpriority(os.PRIO_PROCESS, 0, int(sys.argv[1]))
user = os.geteuid()
os.seteuid(user or 65534)
asyncio.run(hash_once())
os.seteuid(user)  # As itself, it can write down which lines it has run.
"""
"""Prints the niceness of the thread that hashes, and whether the password was then accepted."""


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    """One at once, one waiting."""
    hasher = PasswordHasher(1, 1, CHEAP)
    yield hasher
    hasher.close()


@pytest.fixture
def busy(hasher: PasswordHasher) -> Iterator[None]:
    """Its one thread does something else until the test ends."""
    is_over = Event()
    hasher._threads.submit(is_over.wait)
    yield
    is_over.set()


async def test_hash_is_argon2id_with_the_promised_cost() -> None:
    hasher = PasswordHasher(1, 1)

    assert (await hasher.hash(PASSWORD)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    hasher.close()


async def test_only_the_same_password_is_correct(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(PASSWORD)

    assert (await hasher.check(stored, PASSWORD)).is_correct
    for other in (PASSWORD.upper(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1], ""):
        assert not (await hasher.check(stored, other)).is_correct


async def test_password_is_correct_when_typed_in_another_normal_form(hasher: PasswordHasher) -> None:
    assert (await hasher.check(await hasher.hash("caf\u00e9" * 5), "cafe\u0301" * 5)).is_correct


async def test_hash_needs_renewal_when_made_with_other_parameters(hasher: PasswordHasher) -> None:
    own, foreign = await hasher.hash(PASSWORD), argon2.PasswordHasher.from_parameters(ARGON2ID).hash(PASSWORD)

    assert not (await hasher.check(own, PASSWORD)).needs_rehash
    assert (await hasher.check(foreign, PASSWORD)).needs_rehash
    assert not (await hasher.check(foreign, "wrong")).needs_rehash


@pytest.mark.parametrize("parameters", [ARGON2ID, CHEAP], ids=["standard", "cheapest"])
def test_stand_in_costs_as_much_as_a_hash_when_an_account_has_none(parameters: argon2.Parameters) -> None:
    hasher = PasswordHasher(1, 1, parameters)
    hasher.close()

    assert argon2.extract_parameters(hasher._stand_in) == parameters
    with pytest.raises(argon2.exceptions.VerifyMismatchError):  # It was hashed and compared, not refused as no hash.
        argon2.PasswordHasher().verify(hasher._stand_in, PASSWORD)


async def test_nothing_is_usable_when_the_system_lets_no_thread_run(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)

    for attempt in (hasher.check_usable(), hasher.hash(PASSWORD), hasher.check(None, PASSWORD), hasher.check_usable()):
        with pytest.raises(ServiceUnavailable, match="Passwords cannot be hashed"):
            await attempt
    assert (hasher.running, hasher.waiting) == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no niceness of its own")
@pytest.mark.parametrize(("started_at", "hashes_at"), [(0, 5), (4, 5), (5, 5), (6, 6), (10, 10), (19, 19)])
def test_niceness_is_never_lowered_when_a_user_may_not(started_at: int, hashes_at: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if started_at < own:
        # The tests themselves may run at a higher niceness, below which no child can start.
        pytest.skip("only root lowers a niceness")

    answer = subprocess.run(  # noqa: S603 - a program of our own
        [sys.executable, "-c", HASH_AS_A_USER, str(started_at)], capture_output=True, text=True, check=False
    )

    assert (answer.stdout, answer.stderr) == (f"{hashes_at} True\n", "")


async def test_passwords_are_hashed_when_the_sandbox_refuses_a_niceness(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)

    await hasher.check_usable()
    assert (await hasher.check(await hasher.hash(PASSWORD), PASSWORD)).is_correct


async def test_usable_hasher_does_not_wait_for_passwords_to_say_so(hasher: PasswordHasher) -> None:
    await hasher.check_usable()
    is_over = Event()
    hasher._threads.submit(is_over.wait)

    await hasher.check_usable()

    is_over.set()


@pytest.mark.parametrize("stored", [None, "", "!", "$argon2id$v=19$m=8,t=1,p=1$AAAA", "$2b$12$abcdefghijklmnopqrstuv"])
@pytest.mark.parametrize("password", ["", PASSWORD, "nobody has this password"])
async def test_no_password_is_correct_when_there_is_no_usable_hash(
    hasher: PasswordHasher, stored: str | None, password: str
) -> None:
    check = await hasher.check(stored, password)

    assert not check.is_correct
    assert not check.needs_rehash


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("is_known", [True, False])
async def test_further_work_is_refused_when_the_queue_is_full(hasher: PasswordHasher, is_known: bool) -> None:
    stored = argon2.PasswordHasher.from_parameters(CHEAP).hash(PASSWORD) if is_known else None
    waiting = [asyncio.create_task(hasher.hash(PASSWORD)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded) as refusal:
        await hasher.check(stored, PASSWORD)

    assert refusal.value.retry_after_seconds
    for task in waiting:
        task.cancel()


async def test_work_is_accepted_again_when_the_queue_has_emptied(hasher: PasswordHasher) -> None:
    results = await asyncio.gather(*(hasher.hash(PASSWORD) for _ in range(5)), return_exceptions=True)

    assert [type(result) for result in results] == [str, str, Overloaded, Overloaded, Overloaded]
    assert (await hasher.hash(PASSWORD)).startswith("$argon2id$")


@pytest.mark.usefixtures("busy")
async def test_work_still_counts_when_whoever_asked_has_gone(hasher: PasswordHasher) -> None:
    for _ in range(2):
        task = asyncio.create_task(hasher.hash(PASSWORD))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with pytest.raises(Overloaded):
        await hasher.hash(PASSWORD)
