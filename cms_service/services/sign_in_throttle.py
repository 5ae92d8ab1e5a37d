"""Holding up those who guess passwords, and nobody else.

Delays, not lockouts. A stranger's attempts are counted for the account and, when they fail, for the network. Whoever
has signed in before from a device, or is signed in, is counted apart, so that no stranger can keep them out. However
many delays an attacker sits out, only so many guesses in a row are ever compared with an account's password.
"""

import asyncio
import hmac
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from uuid import UUID

import msgspec

from cms_service.core.database import translate_error
from cms_service.core.exceptions import EmailTaken, RateLimited
from cms_service.core.security import Device
from cms_service.repositories import Counter, Purpose, ThrottleRepository

MOST_GUESSES = 100
"""Failures in a row after which no guess is compared with an account's password (NIST SP 800-63B-4 §3.2.2)."""
MOST_GUESSES_OF_STRANGERS = 90
"""The rest is left to those who are known: strangers cannot raise the count beyond, or they would lock them out."""

FREE_ATTEMPTS = 5
LONGEST_DELAY_SECONDS = 900
LONGEST_NETWORK_DELAY_SECONDS = 60
ATTEMPTS_FORGOTTEN_AFTER = timedelta(days=1)
NETWORK_FORGOTTEN_AFTER = timedelta(hours=1)
UNLIMITED = 2**30
IPV6_NETWORK_BITS = 64
_ENDS_WITH_IPV4 = (IPv6Network("::/96"), IPv6Network("64:ff9b::/96"))
"""What one subscriber has at the least."""

PATIENCE_SECONDS = 1.0
"""An attempt that would be let through so soon waits for it. Of many correct ones at once, the first clears the way."""
POLL_SECONDS = 0.1
MOST_POLLS = 12
NETWORK_POLLS = 5
"""Somebody else's attempt from the same network may be about to succeed."""
MOST_WAITING = 32
"""At once in this process."""


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that was let through. It counts as a failure until it succeeds."""

    counter: Counter
    account_id: UUID | None
    network: Counter | None
    """Where this was counted for the network too, before its outcome is known."""
    is_futile: bool
    """The account has seen too many failures: the guess must not be compared with its password, nor may that show."""


class SignInThrottle:
    """One for the whole process; what it counts is shared by all of them."""

    def __init__(self, throttles: ThrottleRepository, key: bytes, network_failures: int) -> None:
        self._throttles = throttles
        self._key = key
        self._network_failures = network_failures
        self._waiting = 0

    def network(self, ip: str | None) -> Counter:
        """The counter of the network from which a request came."""
        return Counter(
            Purpose.NETWORK,
            self._digest(network_of(ip)),
            self._network_failures,
            _NETWORK_DELAYS,
            NETWORK_FORGOTTEN_AFTER,
            most_failures=UNLIMITED,
        )

    @asynccontextmanager
    async def looking_for_addresses(self, ip: str | None) -> AsyncIterator[None]:
        """The block may find out that an address is taken, which counts as a failure of the network.

        Raises:
            RateLimited: the network has to wait first.
        """
        network = self.network(ip)
        if wait_seconds := await self._throttles.wait_seconds(network):
            raise _refusal(network, wait_seconds)
        try:
            yield
        except Exception as error:
            if isinstance(translate_error(error), EmailTaken):
                await self._throttles.count_failure(network)
            raise

    async def admit_stranger(
        self, email: str, account_id: UUID | None, network: Counter, *, is_network_past_free: bool
    ) -> Attempt:
        """An attempt on an account, or on an address that has none. Raises RateLimited.

        While its network has failed little, only its failure will count there, since behind one address there may be
        many who sign in at once. After that, one at a time is let through.
        """
        counter = _counter(
            Purpose.ACCOUNT if account_id is not None else Purpose.ADDRESS,
            account_id.bytes if account_id is not None else self._digest(email),
            most_failures=MOST_GUESSES_OF_STRANGERS + 1,
        )
        if is_network_past_free:
            await self._admit(network, None, least_polls=NETWORK_POLLS)
        try:
            failures = await self._admit(counter, account_id)
        except RateLimited:
            if is_network_past_free:
                await self._throttles.uncount(network)
            raise
        is_futile = failures > MOST_GUESSES_OF_STRANGERS
        return Attempt(counter, account_id, network if is_network_past_free else None, is_futile=is_futile)

    async def admit_device(self, device: Device) -> Attempt:
        """An attempt from where the user has signed in before. Raises RateLimited."""
        return await self._admit_known(Purpose.DEVICE, device.id, device.user_id)

    async def admit_session(self, session_id: UUID, account_id: UUID) -> Attempt:
        """An attempt of somebody who is signed in. Raises RateLimited."""
        return await self._admit_known(Purpose.SESSION, session_id, account_id)

    async def withdraw(self, attempt: Attempt) -> None:
        """The attempt was let through and then not made. One that would have been futile was not counted either."""
        if not attempt.is_futile:
            await self._throttles.uncount(attempt.counter, attempt.account_id)
        await self.clear_network(attempt)

    async def clear_network(self, attempt: Attempt) -> None:
        """The attempt was no failure: others in its network may go on."""
        if attempt.network is not None:
            await self._throttles.uncount(attempt.network)

    async def fail(self, attempt: Attempt, network: Counter) -> None:
        """The attempt was a failure; for the account it counts already."""
        if attempt.network is None:
            await self._throttles.count_failure(network)

    async def _admit_known(self, purpose: Purpose, subject: UUID, account_id: UUID) -> Attempt:
        counter = _counter(purpose, subject.bytes, most_failures=MOST_GUESSES + 1)
        if await self._admit(counter, account_id) > MOST_GUESSES:
            # The password was not checked, so the device or session has not failed. The count of the account stays: two
            # attempts at once could otherwise take back a failure of somebody else.
            await self._throttles.uncount(counter)
            # Whoever is known may know why.
            raise RateLimited(
                "Too many attempts have failed; an administrator has to let you try again.",
                policy=Purpose.ACCOUNT,
                quota=MOST_GUESSES,
                retry_after_seconds=LONGEST_DELAY_SECONDS,
            )
        return Attempt(counter, account_id, None, is_futile=False)

    async def _admit(self, counter: Counter, account_id: UUID | None, *, least_polls: int = 0) -> int:
        """Counts an attempt. Returns the failures since the last success, this one included. Raises RateLimited."""
        polls = 0
        while (failures := await self._throttles.count(counter, account_id)) is None:
            wait_seconds = await self._throttles.wait_seconds(counter)
            is_hopeless = wait_seconds > PATIENCE_SECONDS and polls >= least_polls
            if is_hopeless or polls == MOST_POLLS or self._waiting == MOST_WAITING:
                raise _refusal(counter, wait_seconds)
            await self._wait(min(wait_seconds, POLL_SECONDS))
            polls += 1
        return failures

    async def _wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    def _digest(self, text: str) -> bytes:
        """The table shows neither addresses nor networks."""
        return hmac.digest(self._key, text.encode(), sha256)


def network_of(ip: str | None) -> str:
    """The network that one subscriber has: an IPv4 address, or the first half of an IPv6 address.

    An IPv6 address that stands for an IPv4 address counts as that one: mapped or compatible (RFC 4291, 2.5.5), behind
    NAT64 (RFC 6052, 2.1), or 6to4 (RFC 3056, 2).
    """
    address = ip_address(ip) if ip else None
    if isinstance(address, IPv6Address):
        address = _ipv4_within(address) or address
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> IPV6_NETWORK_BITS << IPV6_NETWORK_BITS)}/{IPV6_NETWORK_BITS}"
    return str(address)


def _ipv4_within(address: IPv6Address) -> IPv4Address | None:
    if address.is_loopback or address.is_unspecified:
        return None
    if any(address in network for network in _ENDS_WITH_IPV4):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _counter(purpose: Purpose, subject: bytes, *, most_failures: int) -> Counter:
    return Counter(purpose, subject, FREE_ATTEMPTS, _DELAYS, ATTEMPTS_FORGOTTEN_AFTER, most_failures)


def _refusal(counter: Counter, wait_seconds: float) -> RateLimited:
    policy = Purpose.ACCOUNT if counter.purpose is Purpose.ADDRESS else counter.purpose
    wait = max(1, math.ceil(wait_seconds))
    detail = f"Too many attempts; the next is possible in {wait} s."
    return RateLimited(detail, policy=policy, quota=counter.free, retry_after_seconds=wait)


def _delays(longest_seconds: int) -> list[timedelta]:
    """Nothing, a second, and then the double each time."""
    doubled = [2**power for power in range(longest_seconds.bit_length()) if 2**power < longest_seconds]
    return [timedelta(seconds=seconds) for seconds in (0, *doubled, longest_seconds)]


_DELAYS = _delays(LONGEST_DELAY_SECONDS)
_NETWORK_DELAYS = _delays(LONGEST_NETWORK_DELAY_SECONDS)
