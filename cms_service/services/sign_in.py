"""Signing in."""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import msgspec

from cms_service.core.database import Propagation
from cms_service.core.exceptions import InvalidCredentials, Overloaded
from cms_service.core.security import SECRET_BYTES, Actor, Device, PasswordCheck, PasswordHasher, sought_email
from cms_service.repositories import Counter, Credentials, Opened, SignInOrigin, SignInRepository
from cms_service.schemas import LoginRequest, LoginResponse
from cms_service.services._reading import read_members
from cms_service.services.sign_in_throttle import Attempt, SignInThrottle
from cms_service.services.token_issuer import TokenIssuer

MOST_CHECKS = 2
"""Of one password: once more when the hash was exchanged meanwhile, since another sign-in may only have renewed it."""


class SignInService:
    """Proves who somebody is, once; sessions carry it on.

    One for the whole process. Each step is a statement of its own: a connection is not held while a password is
    hashed, and what was counted before is not undone by the refusal that follows.
    """

    def __init__(
        self,
        sign_ins: SignInRepository,
        throttle: SignInThrottle,
        hasher: PasswordHasher,
        issuer: TokenIssuer,
        propagation: Propagation,
    ) -> None:
        self._sign_ins = sign_ins
        self._propagation = propagation
        self._throttle = throttle
        self._hasher = hasher
        self._issuer = issuer
        self._idle_lifetime = timedelta(seconds=issuer.settings.refresh_idle_seconds)
        self._lifetime = timedelta(seconds=issuer.settings.refresh_absolute_seconds)

    async def login(self, data: LoginRequest, actor: Actor) -> LoginResponse:
        """A new session.

        Raises:
            InvalidCredentials: unknown, inactive or deleted account, or wrong password: one answer, at one cost.
            RateLimited: too many attempts before this one.
            Overloaded: too many passwords are being checked.
        """
        self._hasher.refuse_when_full()
        email = sought_email(data.email)
        origin = _origin_of(actor)
        network = self._throttle.network(origin.ip)
        credentials, is_network_past_free = await self._sign_ins.find_credentials(email, network)
        device = self._known_device(data.device_token, credentials)
        if device is not None:
            attempt = await self._throttle.admit_device(device)
        else:
            attempt = await self._throttle.admit_stranger(
                email,
                credentials.user_id if credentials else None,
                network,
                is_network_past_free=is_network_past_free,
            )
        opened = await self._open(data.password, email, credentials, attempt, network, origin)
        if opened is None:
            await self._sign_ins.record_failure(credentials.user_id if credentials else None, origin)
            await self._throttle.fail(attempt, network)
            raise InvalidCredentials
        await self._throttle.clear_network(attempt)
        tokens = await self._issuer.issue_pair(opened.session)
        session = opened.session
        device = Device(device.id if device else uuid4(), session.user_id, session.now)
        return LoginResponse(
            **msgspec.structs.asdict(tokens),
            device_token=self._issuer.device_tokens.encode(device),
            user=read_members(opened.user),
        )

    def _known_device(self, token: str | None, credentials: Credentials | None) -> Device | None:
        if token is None or credentials is None:
            return None
        device = self._issuer.device_tokens.decode(token, self._issuer.clock.now())
        changed_at = credentials.password_changed_at
        # Whoever had the password before it was changed is no longer known.
        is_known = (
            device is not None
            and device.user_id == credentials.user_id
            and (changed_at is None or device.signed_in_at > changed_at)
        )
        return device if is_known else None

    async def _open(  # noqa: PLR0913 - all that is known by now
        self,
        password: str,
        email: str,
        credentials: Credentials | None,
        attempt: Attempt,
        network: Counter,
        origin: SignInOrigin,
    ) -> Opened | None:
        """A session, if the password is that of the account and the account may be used."""
        for _ in range(MOST_CHECKS):
            check = await self._check(password, credentials, attempt)
            if credentials is None or not check.is_correct:
                return None
            opened = await self._sign_ins.open(
                credentials,
                secret=self._issuer.entropy.token_bytes(SECRET_BYTES),
                idle_lifetime=self._idle_lifetime,
                lifetime=self._lifetime,
                origin=origin,
                counter=attempt.counter,
            )
            if opened is not None:
                if opened.has_ended_others:
                    await self._propagation.complete(opened.server)
                if check.needs_rehash:
                    await self._renew_hash(credentials, password)
                return opened
            credentials, _ = await self._sign_ins.find_credentials(email, network)
        return None

    async def _check(self, password: str, credentials: Credentials | None, attempt: Attempt) -> PasswordCheck:
        is_usable = credentials is not None and credentials.is_active and not attempt.is_futile
        try:
            return await self._hasher.check(credentials.password_hash if credentials and is_usable else None, password)
        except Overloaded:
            await self._throttle.withdraw(attempt)
            raise

    async def _renew_hash(self, credentials: Credentials, password: str) -> None:
        with suppress(Overloaded):  # Then at another sign-in.
            await self._sign_ins.renew_hash(credentials, await self._hasher.hash(password))


def _origin_of(actor: Actor) -> SignInOrigin:
    origin = actor.origin
    return SignInOrigin(origin.ip, origin.user_agent, origin.request_id) if origin else SignInOrigin(None, None, None)
