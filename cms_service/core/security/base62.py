"""Bytes as letters and digits: a token is selected whole by a double click and needs no escaping anywhere."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(ALPHABET)}


def encode(data: bytes, width: int) -> str:
    """`data` as exactly `width` characters, which must be enough of them."""
    number = int.from_bytes(data)
    characters = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))


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
