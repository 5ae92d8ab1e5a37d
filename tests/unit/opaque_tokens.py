"""What every opaque token must stand, and how to forge one as well as it can be done without the key."""

from collections.abc import Iterator
from uuid import UUID
from zlib import crc32

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX_WIDTH = 6
CHECKSUM_WIDTH = 6
ID = UUID("0190c8a0-7a1b-7c3d-8e4f-00000000000a")


def base62(number: int, width: int) -> str:
    return "".join(ALPHABET[number // 62**place % 62] for place in reversed(range(width)))


def number_of(token: str) -> int:
    """What is between the prefix and the checksum."""
    number = 0
    for character in token[PREFIX_WIDTH:-CHECKSUM_WIDTH]:
        number = number * 62 + ALPHABET.index(character)
    return number


def with_checksum(body: str) -> str:
    """What anybody can make who knows the form."""
    return body + base62(crc32(body.encode()), CHECKSUM_WIDTH)


def with_number(token: str, number: int) -> str:
    """A token of the same kind that says something else, with the checksum that belongs to it."""
    return with_checksum(token[:PREFIX_WIDTH] + base62(number, len(token) - PREFIX_WIDTH - CHECKSUM_WIDTH))


def with_flipped_bits(token: str, length: int) -> Iterator[str]:
    """The token with each bit of its `length` bytes flipped in turn, with the checksum that belongs to it."""
    number = number_of(token)
    for bit in range(8 * length):
        yield with_number(token, number ^ 1 << bit)


def with_wrong_character(token: str, place: int) -> str:
    other = "1" if token[place] == "0" else "0"
    return token[:place] + other + token[place + 1 :]


def of_another_form(token: str) -> dict[str, str]:
    """By what is wrong with them."""
    prefix, body = token[:PREFIX_WIDTH], token[PREFIX_WIDTH:-CHECKSUM_WIDTH]
    width = len(body)
    return {
        "empty": "",
        "prefix only": prefix,
        "truncated": token[:-1],
        "extended": token + "0",
        "padded": token + "==",
        "space before": f" {token}",
        "line break after": f"{token}\n",
        "other case": token.swapcase(),
        "prefix of another kind": token.replace(prefix, "cms_k_"),
        "prefix of another kind, checksum right": with_checksum("cms_k_" + body),
        "number too large, checksum right": with_checksum(prefix + "z" * width),
        "foreign characters, checksum right": with_checksum(prefix + "-" * width),
        "digits of another script, checksum right": with_checksum(prefix + "٣" * width),
        "one short, checksum right": with_checksum(prefix + body[:-1]),
        "access token": "eyJhbGciOiJFZERTQSJ9.e30.AAAA",
    }
