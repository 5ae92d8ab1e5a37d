"""Published keys."""

from msgspec import UNSET, Struct, UnsetType


class JsonWebKey(Struct):
    """A public key that verifies access tokens (RFC 7517; of Ed25519 by RFC 8037, of P-256 by RFC 7518 §6.2)."""

    kty: str
    crv: str
    alg: str
    use: str
    kid: str
    x: str
    y: str | UnsetType = UNSET


class JsonWebKeySet(Struct):
    """Every key that may have signed a token which is still good, and the one that will sign next."""

    keys: list[JsonWebKey]
