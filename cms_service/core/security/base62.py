"""Bytes as letters and digits: a token is selected whole by a double click and needs no escaping anywhere."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
"""Two digits at a time halve the divisions of a number that is longer than a machine word."""


def encode(data: bytes, width: int) -> str:
    """`data` as exactly `width` characters, which must be enough of them."""
    number = int.from_bytes(data)
    pairs = []
    for _ in range(0, width, 2):
        number, digits = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[digits])
    return "".join(reversed(pairs))[-width:]


def decode(text: str, length: int) -> bytes:
    """The `length` bytes behind `text`.

    Raises:
        ValueError: a foreign character, or more than `length` bytes.
    """
    number = 0
    for character in text:
        try:
            number = number * 62 + _DIGITS[character]
        except KeyError:
            raise ValueError("not base62") from None
    try:
        return number.to_bytes(length)
    except OverflowError:
        raise ValueError("too long") from None


def width_of(length: int) -> int:
    """How many characters `length` bytes need."""
    width = 0
    while 62**width < 256**length:
        width += 1
    return width
