import asyncio
import secrets
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.security import CommonWords, PasswordPolicy
from cms_service.operating import GENERATED_PASSWORD_BYTES
from tests.factories import PASSWORD
from tests.fixtures import ADMIN_PASSWORD

ADA = ("ada.l1815@example.org", "Ada Lovelace")
LETTERS = "".join(chr(code) for code in range(0x20, 0x2FF) if chr(code).isprintable())
HARD_TO_JUDGE = "4@8({[</369&1!|0$5+7%2asdpowrl \u2003-._\ufdfa\u0958\u0301\N{OWL}ß"


def codes(password: str, *own_words: str, min_characters: int = 15, words: tuple[str, ...] = ()) -> set[str]:
    found = PasswordPolicy(min_characters, words).examine(password, "/password", own_words)
    assert all(violation.pointer == "/password" for violation in found)
    assert len({violation.code for violation in found}) == len(found)
    assert all(
        violation.detail.endswith(".") and password not in violation.detail for violation in found if len(password) > 14
    )
    return {violation.code for violation in found}


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        ADMIN_PASSWORD,
        "a password of fifteen and more",
        "correct horse battery staple",
        "correcthorsebatterystaple",
        "correct horse battery",
        "password of three words",
        "  zwölf Eulen \N{OWL}  ",
        "kq7#Vx!pL2mZ9wR",
        "836195027483619",
        "horse 8361950274",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "пять зелёных сов на проводе",
        "七只绿色的猫头鹰坐在那根电线上",
        "the engine of Ada weaves algebra",
        "a name like Adalbert is not Ada",
    ],
)
def test_password_is_accepted_when_a_guesser_would_not_come_upon_it_soon(password: str) -> None:
    assert codes(password, *ADA) == set()


@pytest.mark.parametrize(
    ("password", "reasons"),
    [
        ("administrator2026", {"common"}),
        ("ADMINISTRATOR!!!", {"common"}),
        ("@dm1n1str@t0r 26", {"common"}),
        ("ádmïnisträtör2026", {"common"}),
        ("admin\u200bistrator2026", {"common"}),
        ("a.d.m.i.n.i.s.t.r.a.t.o.r", {"common"}),
        ("000000000000000password", {"common"}),
        ("password       ", {"common"}),
        ("Summer2026!Monkey", {"common_combination"}),
        ("dragon monkey 1234567890", {"common_combination"}),
        ("passwordpassword1!", {"common_combination", "repetitive"}),
        ("P@ssw0rdP@$$w0rd", {"common_combination"}),
        ("kq7#Vxkq7#Vxkq7#Vx", {"repetitive"}),
        ("abcabcabcabcabc", {"repetitive", "sequence"}),
        ("zzzzzzzzzzzzzzzzkq7#Vx", {"repetitive"}),
        ("\N{OWL}" * 15, {"repetitive"}),
        (" " * 15, {"repetitive"}),
        ("\u200b" * 15, {"repetitive"}),
        ("abcdefghijklmno", {"sequence"}),
        ("ponmlkjihgfedcba", {"sequence"}),
        ("12345678901234567", {"sequence"}),
        ("йцукенгшщзхъфывап", {"sequence"}),
        ("1qaz2wsx3edc4rfv", {"sequence", "common"}),
        ("ada.l1815@example.org", {"own_words"}),
        ("Lovelace Ada 1815", {"common_combination", "own_words"}),
        ("L0v3l@ce L0v3l@c3 42", {"common_combination", "own_words"}),
        ("cms-service-2026-xy", {"own_words"}),
        ("lovelace dragon monkey", {"own_words"}),
        ("administrator", {"too_short", "common"}),
        ("kq7#Vx", {"too_short"}),
    ],
)
def test_every_reason_is_given_when_a_password_is_refused(password: str, reasons: set[str]) -> None:
    assert codes(password, *ADA) == reasons


@pytest.mark.parametrize(
    ("password", "reasons"),
    [
        ("kq7#Vx!pL2mZ9w", {"too_short"}),
        ("kq7#Vx!pL2mZ9w\N{OWL}", set()),
        pytest.param("e\u0301a\u0308o\u0308u\u0308c\u0327n\u0303kqZ7#w9p", {"too_short"}, id="15 of 21 code points"),
        pytest.param("kq7#Vx!pL2mZ9wRt" * 8, set(), id="128 code points"),
        pytest.param("kq7#Vx!pL2mZ9wRt" * 8 + "x", {"too_long"}, id="129 code points"),
        pytest.param("kq7#Vx!pL2mZ9wR" + "e\u0301" * 113, set(), id="128 after NFC"),
        pytest.param("\u0958" * 128, {"too_long"}, id="256 after NFC"),
        pytest.param("\N{OWL}" * 256, {"too_long"}, id="1024 bytes"),
    ],
)
def test_code_points_are_counted_after_normalisation(password: str, reasons: set[str]) -> None:
    assert codes(password) == reasons


def test_minimum_is_what_the_operator_says() -> None:
    assert codes("kq7#Vx!p") == {"too_short"}
    assert codes("kq7#Vx!p", min_characters=8) == set()
    assert codes("kq7#Vx!", min_characters=8) == {"too_short"}
    assert codes("password", min_characters=8) == {"common"}
    assert codes("seven green owls on a wire", min_characters=64) == {"too_short"}


def test_words_of_the_platform_are_own_words() -> None:
    assert codes("Zyxnews Vqbrand 26") == set()
    assert codes("Zyxnews Vqbrand 26", words=("zyxnews", "Vqbrand")) == {"own_words"}


def test_forms_of_one_password_are_judged_alike() -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert codes(unicodedata.normalize(form, "ádmïnisträtör2026")) == {"common"}
    assert codes("".join(chr(ord(character) + 0xFEE0) for character in "administrator2026")) == {
        "common"
    }  # Full width.


def test_generated_password_of_the_first_administrator_is_accepted() -> None:
    assert codes(secrets.token_urlsafe(GENERATED_PASSWORD_BYTES), "admin@example.org", "Administrator") == set()


@given(st.lists(st.sampled_from(LETTERS), min_size=20, max_size=100, unique=True).map("".join))
def test_random_password_is_accepted(password: str) -> None:
    assert codes(password, *ADA) <= {"sequence"}


ADVERSARIAL = ("password", "1234567890", "4@8([369&1!|0$5+7%2", "abc123!", "13579", "@1", "0o1l!|", "a.d.a.", " \u2003")


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_work_is_bounded_when_a_password_is_hard_to_judge(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = 0

    def count(words: CommonWords, word: str) -> bool:
        nonlocal looked_up
        looked_up += 1
        return is_word(words, word)

    is_word = CommonWords.__contains__
    monkeypatch.setattr(CommonWords, "__contains__", count)
    for ending in ("", "password", "12345678", "kq7#Vx!p"):
        looked_up = 0
        codes((unit * 128)[: 128 - len(ending)] + ending, *ADA)
        assert looked_up < 10_000


@given(st.text(max_size=150) | st.text(HARD_TO_JUDGE, max_size=128), st.text(max_size=100))
def test_any_text_is_judged(password: str, own_word: str) -> None:
    codes(password, own_word, own_word[::-1])


async def test_lists_are_read_once_when_many_ask_at_once() -> None:
    policy = PasswordPolicy(15)

    found = await asyncio.gather(*(policy.violations("administrator2026", "/password") for _ in range(20)))

    assert {violation.code for violations in found for violation in violations} == {"common"}
