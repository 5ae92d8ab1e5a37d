"""What nobody can guess."""

import secrets
from typing import Protocol


class Entropy(Protocol):
    """The one source of secrets."""

    def token_bytes(self, count: int) -> bytes:
        """`count` bytes fit for keys and tokens."""


class SystemEntropy:
    """The operating system's generator."""

    def token_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)
