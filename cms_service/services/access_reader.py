"""Who may do what at this moment: from memory while that may be trusted, else from the database."""

from uuid import UUID

from cms_service.core.security import SubjectType
from cms_service.repositories import CredentialRepository, LiveApiKey, SessionFacts, SubjectRepository
from cms_service.services.access_memory import AccessMemory
from cms_service.services.rights import Rights, rights_of


class AccessReader:
    """Reads through the memory of its process, which keeps what was not changed while it was being read."""

    def __init__(self, memory: AccessMemory, subjects: SubjectRepository, credentials: CredentialRepository) -> None:
        self._memory = memory
        self._subjects = subjects
        self._credentials = credentials

    async def find_session(self, session_id: UUID) -> SessionFacts | None:
        """The session, if it is live; its account may not be."""
        memory = self._memory
        if memory.is_trusted:
            session = memory.sessions.get(session_id)
            if session is not None and session.expires_at > memory.now():
                return session
        generation = memory.generation
        session = await self._subjects.find_session(session_id)
        if session is not None and memory.is_current(generation):
            memory.sessions.put(session_id, session)
        return session

    async def find_key(self, digest: bytes) -> LiveApiKey | None:
        """The API key with this digest, if it counts; its account may not."""
        memory = self._memory
        if memory.is_trusted:
            key = memory.keys.get(digest)
            if key is not None and key.expires_at.timestamp() > memory.now():
                return key
        generation = memory.generation
        key = await self._credentials.find_key(digest)
        if key is not None and memory.is_current(generation):
            memory.keys.put(digest, key)
        return key

    async def find_key_of_token(self, api_key_id: UUID, token_id: UUID) -> LiveApiKey | None:
        """The API key that was exchanged for the token, if both count; their account may not."""
        memory = self._memory
        name = (api_key_id, token_id)
        if memory.is_trusted:
            key = memory.keys_of_tokens.get(name)
            if key is not None and key.expires_at.timestamp() > memory.now():
                return key
        generation = memory.generation
        key = await self._credentials.find_key_of_token(api_key_id, token_id)
        if key is not None and memory.is_current(generation):
            memory.keys_of_tokens.put(name, key)
        return key

    async def find_rights(self, subject_type: SubjectType, subject_id: UUID) -> Rights | None:
        """What the subject may do. None where there is no such account, or it is not active."""
        memory = self._memory
        if memory.is_trusted and (rights := memory.rights_of(subject_type, subject_id)) is not None:
            return rights
        generation = memory.generation
        read = await self._subjects.find_subject(subject_type, subject_id)
        if read is None:
            return None
        if memory.is_current(generation):
            memory.keep(subject_type, read.subject, read.closures)
        return rights_of(read.subject.held_roles, read.closures, read.now)

    async def find_id(self, subject_type: SubjectType, name: str, but: UUID | None = None) -> UUID | None:
        """The id of a live account by a name that is not its id. None where an account has the id `but`."""
        memory = self._memory
        key = (subject_type, name)
        if memory.is_trusted and (subject_id := memory.ids.get(key)) is not None:
            remembered = memory.subjects.peek(subject_id)
            # An account that gave the name away is read anew, and then it does not have it.
            if remembered is not None and name in remembered.subject.names:
                return subject_id
        generation = memory.generation
        subject_id = await self._subjects.find_id(subject_type, name, but)
        if subject_id is not None and memory.is_current(generation):
            memory.ids.put(key, subject_id)
        return subject_id

    async def list_permissions(self) -> frozenset[str]:
        """The names of all permissions that there are."""
        memory = self._memory
        if memory.is_trusted and (names := memory.permissions.get(None)) is not None:
            return names
        generation = memory.generation
        names = await self._subjects.list_permissions()
        if memory.is_current(generation):
            memory.permissions.put(None, names)
        return names
