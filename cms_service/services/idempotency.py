"""Requests that are repeated because their answer was lost happen once.

The answer is kept in the transaction of what it tells about: there are both or neither, whatever dies meanwhile. What
is refused leaves nothing behind, so a request that is repeated after a refusal is judged anew.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from cryptography.exceptions import InvalidTag

from cms_service.core.database import UnitOfWork
from cms_service.core.dependencies import Entropy
from cms_service.core.exceptions import IdempotencyKeyReused, RequestInProgress
from cms_service.core.security import NONCE_BYTES, Actor, Sealer
from cms_service.repositories import IdempotencyRepository

ANSWERS_KEPT = timedelta(hours=24)
_CONTEXT = "idempotency"


class KeptAnswer(msgspec.Struct, frozen=True):
    """What a client was told."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Kept(msgspec.Struct, frozen=True):
    request: bytes
    answer: KeptAnswer


class _AlreadyAnswered(Exception):
    """While this request stood aside, another one with the same key was answered."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__()
        self.answer = answer


class IdempotencyService:
    """Answers each request of an actor once for each key."""

    def __init__(self, work: UnitOfWork, actor: Actor, sealer: Sealer, entropy: Entropy) -> None:
        self._work = work
        self._actor = actor
        self._sealer = sealer
        self._entropy = entropy
        self._answers = IdempotencyRepository(work)

    async def once(
        self, key: str, request: bytes, answer: Callable[[], Awaitable[KeptAnswer]]
    ) -> tuple[KeptAnswer, bool]:
        """The answer, and whether it was given before. `request` is a digest of all that was asked.

        Raises:
            RequestInProgress: the same is being answered at this moment.
            IdempotencyKeyReused: something else was asked under this key within the last 24 hours.
        """
        digest = self._digest(key)
        try:
            await self._claim(digest, request)
            # Another request with this key may come in between where a password is hashed.
            self._work.on_resume(lambda: self._claim(digest, request))
            given = await answer()
        except _AlreadyAnswered as earlier:
            return earlier.answer, True
        kept = msgspec.msgpack.encode(_Kept(request, given))
        nonce = self._entropy.token_bytes(NONCE_BYTES)
        await self._answers.put(digest, self._sealer.seal(nonce, kept, context=_context(digest)))
        return given, False

    async def _claim(self, digest: bytes, request: bytes) -> None:
        """Nobody else answers before this transaction ends, and nobody has."""
        if not await self._answers.try_lock(digest):
            raise RequestInProgress
        sealed = await self._answers.find(digest, ANSWERS_KEPT)
        if sealed is None:
            return
        kept = self._open(sealed, digest)
        if kept.request != request:
            raise IdempotencyKeyReused
        raise _AlreadyAnswered(kept.answer)

    def _open(self, sealed: bytes, digest: bytes) -> _Kept:
        try:
            return msgspec.msgpack.decode(self._sealer.unseal(sealed, context=_context(digest)), type=_Kept)
        except (InvalidTag, msgspec.DecodeError):
            raise IdempotencyKeyReused(
                "The request was answered before, by a service that had another secret key or another version."
            ) from None

    def _digest(self, key: str) -> bytes:
        """Keys of different actors have nothing to do with each other; strangers are one actor.

        Nor have those of credentials that allow less: what was answered to one that allows more may hold more.
        """
        narrowed_to = None if self._actor.narrowed_to is None else sorted(self._actor.narrowed_to)
        actor = (self._actor.subject_type.value, self._actor.subject_id, self._actor.acting_service_id, narrowed_to)
        return hashlib.sha256(msgspec.json.encode((*actor, key))).digest()


def _context(digest: bytes) -> str:
    return f"{_CONTEXT}/{digest.hex()}"
