"""Keys for each purpose, made from the one secret key of the service."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12


def derive_key(secret_key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes that reveals nothing of `secret_key` or of another purpose's key (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"cms-service/{purpose}".encode()).derive(
        secret_key
    )


class Sealer:
    """Encrypts what is stored (AES-256-GCM). What the previous key sealed can still be opened."""

    def __init__(self, key: bytes, previous_key: bytes | None = None) -> None:
        self._cipher = AESGCM(key)
        self._previous_cipher = AESGCM(previous_key) if previous_key else None

    def seal(self, nonce: bytes, plaintext: bytes, *, context: str) -> bytes:
        """`plaintext`, encrypted and bound to `context`. `nonce` is 12 bytes that were never used before."""
        return nonce + self._cipher.encrypt(nonce, plaintext, context.encode())

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """What was sealed.

        Raises:
            cryptography.exceptions.InvalidTag: another key or context, or a changed byte.
        """
        try:
            return _decrypt(self._cipher, sealed, context)
        except InvalidTag:
            if self._previous_cipher is None:
                raise
            return _decrypt(self._previous_cipher, sealed, context)

    def is_current(self, sealed: bytes, *, context: str) -> bool:
        """Whether the present key sealed it, and not the previous one."""
        try:
            _decrypt(self._cipher, sealed, context)
        except InvalidTag:
            return False
        return True


def _decrypt(cipher: AESGCM, sealed: bytes, context: str) -> bytes:
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
