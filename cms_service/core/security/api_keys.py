"""API keys: 256 random bits that a machine proves itself with.

There is nothing in a key but chance, so that its plain SHA-256 digest is enough to recognise it, and tells nothing of
it. A typo is refused without asking the database.
"""

from hashlib import sha256

from cms_service.core.security.opaque_tokens import CheckedText

API_KEY_PREFIX = "cms_k_"
API_KEY_PATTERN = r"cms_k_[0-9A-Za-z]{49}"
"""For secret scanners."""
API_KEY_SECRET_BYTES = 32

_TEXT = CheckedText(API_KEY_PREFIX, API_KEY_SECRET_BYTES)


def write_api_key(secret: bytes) -> str:
    """The key whose randomness is `secret`, which is 32 bytes."""
    return _TEXT.write(secret)


def digest_of_api_key(key: str) -> bytes:
    """What is stored of it. Raises ValueError where it is no key of this service, or mistyped."""
    _TEXT.read(key)
    return sha256(key.encode()).digest()
