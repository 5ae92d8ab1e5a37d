"""Published keys."""

from msgspec import Struct


class JsonWebKey(Struct):
    """A public key that verifies access tokens (RFC 7517, RFC 8037)."""

    kty: str
    crv: str
    alg: str
    use: str
    kid: str
    x: str


class JsonWebKeySet(Struct):
    """Every key that may have signed a token which is still good."""

    keys: list[JsonWebKey]
