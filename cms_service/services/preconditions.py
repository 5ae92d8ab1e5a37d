"""Conditional requests: nobody overwrites what they have not seen (RFC 9110 §13)."""

import re
from typing import Protocol, runtime_checkable
from zlib import crc32

import msgspec

from cms_service.core.exceptions import PreconditionFailed

_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')


@runtime_checkable
class Versioned(Protocol):
    """A resource as it is shown."""

    version: int


def entity_tag(resource: Versioned) -> str:
    """A strong validator: it changes with the version and with anything else that the representation shows.

    A user shows its roles by name, for instance; renaming a role changes users whose own version stays.
    """
    return f'"{resource.version}-{crc32(msgspec.json.encode(resource)):08x}"'


class Precondition(msgspec.Struct, frozen=True):
    """What the client believes the resource to be."""

    if_match: str | None
    """The header as it came; None where the client states nothing."""

    def check(self, resource: Versioned) -> None:
        """Let the change go on. `*` fits any state; the version in quotes serves as entity tag, too.

        Raises:
            PreconditionFailed: the resource is in another state. Weak tags never fit.
        """
        if self.if_match is None or self.if_match.strip() == "*":
            return
        tags = {tag for weak, tag in _ENTITY_TAG.findall(self.if_match) if not weak}
        if tags.isdisjoint({entity_tag(resource), f'"{resource.version}"'}):
            raise PreconditionFailed
