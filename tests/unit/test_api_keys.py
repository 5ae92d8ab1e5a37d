import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.security import API_KEY_PATTERN, digest_of_api_key, write_api_key
from tests.unit.opaque_tokens import of_another_form, with_flipped_bits, with_wrong_character

KEY = write_api_key(b"k" * 32)
FORMS = {name: form for name, form in of_another_form(KEY).items() if form != KEY}


@given(secret=st.binary(min_size=32, max_size=32))
def test_key_has_the_form_that_scanners_look_for(secret: bytes) -> None:
    key = write_api_key(secret)

    assert re.fullmatch(API_KEY_PATTERN, key)
    assert re.search(rf"\b{API_KEY_PATTERN}\b", f'{{"password": "{key}"}}')
    assert digest_of_api_key(key) == sha256(key.encode()).digest()


@pytest.mark.parametrize("place", range(len(KEY)))
def test_key_is_refused_without_a_look_up_when_a_character_is_wrong(place: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason does not matter
        digest_of_api_key(with_wrong_character(KEY, place))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_key_is_refused_without_a_look_up_when_it_is_of_another_form(form: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason does not matter
        digest_of_api_key(form)


def test_no_two_keys_have_one_digest() -> None:
    assert len({digest_of_api_key(key) for key in [KEY, *with_flipped_bits(KEY, 32)]}) == 257
