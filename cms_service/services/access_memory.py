"""What a process remembers of who may do what, and whether it may still answer from that."""

from collections.abc import Iterable
from uuid import UUID

from cms_service.core.dependencies import Clock
from cms_service.core.security import SubjectType
from cms_service.repositories import Change, LiveApiKey, RoleClosure, SessionFacts, Subject
from cms_service.services.rights import Rights, rights_of
from cms_service.services.shelf import Shelf

LONGEST_MEMORY_SECONDS = 30
"""A backstop: what was read longer ago is read again, though nobody said that it has changed. What roles amount to is
counted from when they were read, and what a subject has of it from when that was read: together twice as long. A caller
is recognised for up to a second longer."""
MOST_ROLES = 10_000


class RememberedSubject:
    """A subject, and what its roles amounted to when somebody last wanted to know."""

    __slots__ = ("kind", "rights", "roles_generation", "subject")

    def __init__(self, kind: SubjectType, subject: Subject) -> None:
        self.kind = kind
        self.subject = subject
        self.rights: Rights | None = None
        self.roles_generation = -1


class AccessMemory:
    """Answers while it holds a lease, and is as if empty otherwise. See `docs/decisions/0011-caches-hold-leases.md`."""

    def __init__(self, most_subjects: int, clock: Clock) -> None:
        self._clock = clock
        self._trusted_until = 0.0
        self._ahead = 0.0
        self._roles_generation = 0
        self.generation = 0
        """Grows with all that is forgotten: what was being read meanwhile is not kept."""
        self.subjects = Shelf[UUID, RememberedSubject](most_subjects, LONGEST_MEMORY_SECONDS, clock)
        self.sessions = Shelf[UUID, SessionFacts](most_subjects, LONGEST_MEMORY_SECONDS, clock)
        self.ids = Shelf[tuple[SubjectType, str], UUID](most_subjects, LONGEST_MEMORY_SECONDS, clock)
        self.closures = Shelf[UUID, RoleClosure](MOST_ROLES, LONGEST_MEMORY_SECONDS, clock)
        self.keys = Shelf[bytes, LiveApiKey](most_subjects, LONGEST_MEMORY_SECONDS, clock)
        self.keys_of_tokens = Shelf[tuple[UUID, UUID], LiveApiKey](most_subjects, LONGEST_MEMORY_SECONDS, clock)
        self.permissions = Shelf[None, frozenset[str]](1, LONGEST_MEMORY_SECONDS, clock)

    @property
    def is_trusted(self) -> bool:
        """Whether every change that was answered so far has been heard of."""
        return self._clock.steady() < self._trusted_until

    def is_current(self, generation: int) -> bool:
        """Whether what was read since `generation` may be kept."""
        return generation == self.generation and self.is_trusted

    def now(self) -> float:
        """The database's clock, in seconds since the epoch, as far as it can be told from here."""
        return self._clock.steady() + self._ahead

    def trust(self, until: float, ahead: float) -> None:
        """It may answer until then, by the steady clock, to which the database's is `ahead`."""
        self._trusted_until = until
        self._ahead = ahead

    def distrust(self) -> None:
        """It is as if empty from now on."""
        self._trusted_until = 0.0

    def forget_all(self) -> None:
        self.generation += 1
        self._roles_generation += 1
        for shelf in (self.subjects, self.sessions, self.ids, self.closures, self.permissions):
            shelf.clear()
        self._forget_keys()

    def forget(self, changes: Iterable[Change]) -> None:
        """What has changed is not remembered any more."""
        self.generation += 1
        role_ids = set()
        for change in changes:
            match change.kind:
                case "principal":
                    self.subjects.pop(change.subject_id)
                case "session":
                    self.sessions.pop(change.subject_id)
                case "credential":
                    self._forget_keys()
                case "role":
                    role_ids.add(change.subject_id)
                case _:
                    self.forget_all()
        if role_ids:
            self._roles_generation += 1
            self.closures.pop_where(lambda closure: not closure.role_ids.isdisjoint(role_ids))

    def rights_of(self, kind: SubjectType, subject_id: UUID) -> Rights | None:
        """What the subject may do now, if it is remembered together with all of its roles."""
        remembered = self.subjects.get(subject_id)
        if remembered is None or remembered.kind is not kind:
            return None
        now = self.now()
        rights = remembered.rights
        if rights is None or remembered.roles_generation != self._roles_generation or rights.until <= now:
            closures = self._closures_of(remembered.subject)
            if closures is None:
                return None
            rights = remembered.rights = rights_of(remembered.subject.held_roles, closures, now)
            remembered.roles_generation = self._roles_generation
        return rights

    def keep(self, kind: SubjectType, subject: Subject, closures: dict[UUID, RoleClosure]) -> None:
        self.subjects.put(subject.id, RememberedSubject(kind, subject))
        for role_id, closure in closures.items():
            if self.closures.peek(role_id) is None:
                self.closures.put(role_id, closure)

    def _closures_of(self, subject: Subject) -> dict[UUID, RoleClosure] | None:
        closures = {}
        for held in subject.held_roles:
            closure = self.closures.get(held.role_id)
            if closure is None:
                return None
            closures[held.role_id] = closure
        return closures

    def _forget_keys(self) -> None:
        self.keys.clear()
        self.keys_of_tokens.clear()
