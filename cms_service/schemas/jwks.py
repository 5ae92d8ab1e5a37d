"""Published keys."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType


class JsonWebKey(Struct):
    """A public key that verifies access tokens (RFC 7517; of Ed25519 by RFC 8037, of P-256 by RFC 7518 §6.2)."""

    kty: Annotated[str, Meta(description="Kind of key.", examples=["OKP"])]
    crv: Annotated[str, Meta(description="Its curve.", examples=["Ed25519"])]
    alg: Annotated[str, Meta(description="Algorithm of the signatures.", examples=["EdDSA"])]
    use: Annotated[str, Meta(description="For signatures: `sig`.", examples=["sig"])]
    kid: Annotated[str, Meta(description="Names the key in the header of a token.", examples=["2wNn8u0kVb4"])]
    x: Annotated[str, Meta(description="The public key.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])]
    y: Annotated[str, Meta(description="Its other coordinate, where the curve has two.", examples=[])] | UnsetType = (
        UNSET
    )


class JsonWebKeySet(Struct):
    """Every key that may have signed a token which is still good, and the one that will sign next."""

    keys: Annotated[list[JsonWebKey], Meta(description="All that are published now.")]
