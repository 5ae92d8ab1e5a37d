"""Whether what the database holds lets the service work, and go on working."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from cms_service.core.config import Settings
from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import ConfigurationError
from cms_service.core.security import EVERYTHING, Sealer
from cms_service.models import SigningKey
from cms_service.repositories import AccessRepository, InspectionRepository, SigningKeyRepository
from cms_service.schemas import Finding
from cms_service.services._findings import GRANT_ADVICE, fail, ok, warn
from cms_service.services.signing_keys import KeySchedule, find_signing, find_waiting, needs_upkeep, open_key

LEAST_MONTHS_AHEAD = 2


class StoredChecks:
    """Reads, and changes nothing."""

    def __init__(self, work: UnitOfWork, settings: Settings, sealer: Sealer) -> None:
        self._inspection = InspectionRepository(work)
        self._keys = SigningKeyRepository(work)
        self._access = AccessRepository(work)
        self._settings = settings
        self._sealer = sealer

    async def run(self) -> AsyncIterator[Finding]:
        """Every finding. The database has to be migrated."""
        if refused := await self._inspection.list_refused_tables():
            yield fail(
                "table_privileges",
                f"the role of the service lacks privileges: {', '.join(refused)}",
                GRANT_ADVICE,
            )
            return
        yield ok("table_privileges", "the role of the service may use every table")
        keys, now = await self._keys.list_unretired(), await self._keys.now()
        yield self._signing_keys(keys, now)
        yield self._previous_secret_key(keys)
        yield await self._administrator()
        yield await self._audit_partitions(now)

    def _signing_keys(self, keys: Sequence[SigningKey], now: datetime) -> Finding:
        try:
            for key in keys:
                open_key(key, self._sealer)
        except ConfigurationError as error:
            return fail("signing_keys", str(error), "See docs/guides/keys.md, Change the secret key.")
        if not keys:
            return ok("signing_keys", "none yet; the first start makes one")
        schedule = KeySchedule.of(self._settings)
        if needs_upkeep(keys, self._sealer, schedule, now):
            return warn(
                "signing_keys",
                "a key should have been made or stored anew by now",
                "A running service does so within seconds: start one, or look for `signing_keys_not_read` in its log.",
            )
        waiting = find_waiting(keys, now)
        # Before any is active, the one that will be first signs already (SigningKeySet.signer).
        signing = find_signing(keys, now) or waiting
        assert signing is not None, "else one is due"  # noqa: S101 - for the type checker
        if waiting is None or waiting is signing:
            changes_at = signing.active_from + schedule.signs_for
        else:
            changes_at = waiting.active_from
        return ok("signing_keys", f"{signing.kid} signs; the next one will on {changes_at:%Y-%m-%d}")

    def _previous_secret_key(self, keys: Sequence[SigningKey]) -> Finding:
        if self._settings.secret_key_previous is None:
            return ok("previous_secret_key", "none")
        old = [key.kid for key in keys if not self._sealer.is_current(key.encrypted_private_key, context=key.kid)]
        if old:
            return warn(
                "previous_secret_key",
                f"signing key {', '.join(old)} is not stored under the present secret key yet",
                "Keep CMS_SECRET_KEY_PREVIOUS; a running service stores it anew within seconds.",
            )
        return warn(
            "previous_secret_key",
            "CMS_SECRET_KEY_PREVIOUS is set; no signing key needs it any more",
            "Remove it when the last session that it protects has ended, CMS_REFRESH_ABSOLUTE_SECONDS after the swap.",
        )

    async def _administrator(self) -> Finding:
        if not await self._access.has_lasting_holder(EVERYTHING):
            return fail(
                "administrator",
                "no active account with a password holds every permission everywhere",
                "Run `cms-service create-admin --email ADDRESS`.",
            )
        return ok("administrator", "there is one")

    async def _audit_partitions(self, now: datetime) -> Finding:
        months = await self._inspection.list_audit_months()
        advice = "Run `cms-service migrate`, which makes those of the next twelve months, with every release."
        ahead = _months_ahead(months, now)
        if ahead < 0:
            return fail("audit_partitions", "this month has none; its events go to audit_events_default", advice)
        if not await self._inspection.may_read_stray_audit_events():
            return warn(
                "audit_partitions",
                "the role of the service may not read audit_events_default, so nobody knows whether it is empty",
                "GRANT SELECT ON audit_events_default to it.",
            )
        if await self._inspection.has_stray_audit_events():
            return warn(
                "audit_partitions",
                "audit_events_default holds events of months that had no partition",
                "Nothing is lost. Move them to partitions of their own, by hand, before those months are archived.",
            )
        if ahead < LEAST_MONTHS_AHEAD:
            return warn("audit_partitions", f"they reach {ahead} months ahead", advice)
        return ok("audit_partitions", f"they reach {ahead} months ahead")


def _months_ahead(months: set[tuple[int, int]], now: datetime) -> int:
    """Of how many months to come, without a gap, there are partitions; -1 where there is none of this month."""
    year, month, count = now.year, now.month, -1
    while (year, month) in months:
        year, month, count = year + month // 12, month % 12 + 1, count + 1
    return count
