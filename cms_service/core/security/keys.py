"""Keys for each purpose, made from the one secret key of the service."""

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


def seal(key: bytes, nonce: bytes, plaintext: bytes, *, context: str) -> bytes:
    """`plaintext`, encrypted and bound to `context` (AES-256-GCM). `nonce` is 12 bytes that were never used before."""
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def unseal(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """What was sealed.

    Raises:
        cryptography.exceptions.InvalidTag: another key or context, or a changed byte.
    """
    return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
