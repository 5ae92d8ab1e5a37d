import secrets

import httpx
import pytest

from tests.api.credentials import login
from tests.api.problems import code_of, faults_of
from tests.factories import PASSWORD
from tests.fixtures import Caller, DatabaseFactory, Register, ServiceFactory

REGISTER = "/api/v1/auth/register"
USERS = "/api/v1/users"
OWN_PASSWORD = "/api/v1/users/me/password"
GOOD = "three calm foxes under the bridge"
REFUSED = [
    ("kq7#Vx!pL2mZ9w", ["too_short"]),
    ("kq7#Vx!pL2mZ9wRt" * 8 + "x", ["too_long"]),
    ("administrator2026", ["common"]),
    ("Summer2026!Monkey", ["common_combination"]),
    ("kq7#Vxkq7#Vxkq7#Vx", ["repetitive"]),
    ("ponmlkjihgfedcba", ["sequence"]),
    ("ada@example.org, Ada Lovelace", ["own_words"]),
    ("abcabcabcabcabc", ["repetitive", "sequence"]),
]


def foreign_email() -> str:
    """An address that has nothing in common with any password here."""
    return f"ada-{''.join(secrets.choice('wxyz') for _ in range(32))}@example.org"


def body(password: str, **members: object) -> dict[str, object]:
    return {"email": foreign_email(), "display_name": "Ada Lovelace", "password": password, **members}


@pytest.mark.parametrize(("password", "reasons"), REFUSED)
async def test_password_is_refused_wherever_it_is_chosen(
    client: httpx.AsyncClient, admin: Caller, register: Register, password: str, reasons: list[str]
) -> None:
    ada = await register(email=foreign_email(), display_name="Ada Lovelace")
    change = {"current_password": ada.password, "new_password": password}

    registered = await client.post(REGISTER, json=body(password))
    created = await admin.post(USERS, body(password))
    changed = await ada.post(OWN_PASSWORD, change)

    for response in (registered, created, changed):
        assert code_of(response, 400) == "password_too_weak"
        assert password not in response.text
    assert faults_of(registered) == faults_of(created) == {"/password": reasons}
    assert faults_of(changed) == {"/new_password": reasons}
    assert (await login(client, ada.email, ada.password)).status_code == 200


async def test_good_password_is_accepted_wherever_it_is_chosen(
    client: httpx.AsyncClient, admin: Caller, register: Register
) -> None:
    ada = await register(email=foreign_email(), display_name="Ada Lovelace")
    registered, created = body(GOOD), body(GOOD)

    assert (await client.post(REGISTER, json=registered)).status_code == 201
    assert (await admin.post(USERS, created)).status_code == 201
    change = {"current_password": ada.password, "new_password": GOOD}
    assert (await ada.post(OWN_PASSWORD, change)).status_code == 204

    for email in (registered["email"], created["email"], ada.email):
        assert (await login(client, str(email), GOOD)).status_code == 200


@pytest.mark.parametrize(
    ("members", "other_faults"),
    [
        ({"email": "ada"}, {"/email": ["not_an_email"]}),
        ({"email": ""}, {"/email": ["too_short"]}),
        ({"display_name": ""}, {"/display_name": ["too_short"]}),
        ({"surname": "Lovelace"}, {"/surname": ["unknown_member"]}),
        ({"display_name": 1}, {"/display_name": ["wrong_type"]}),
    ],
)
async def test_weak_password_is_named_beside_everything_else(
    client: httpx.AsyncClient, admin: Caller, members: dict[str, object], other_faults: dict[str, list[str]]
) -> None:
    registered = await client.post(REGISTER, json=body("administrator2026", **members))
    created = await admin.post(USERS, body("administrator2026", **members))

    for response in (registered, created):
        assert code_of(response, 400) == "validation_failed"
        assert faults_of(response) == {"/password": ["common"], **other_faults}


async def test_own_words_are_looked_for_in_what_is_refused_anyway(client: httpx.AsyncClient) -> None:
    response = await client.post(REGISTER, json=body("zyxvquist 1815 !", display_name="Zyxvquist", is_active=True))

    assert faults_of(response) == {"/password": ["own_words"], "/is_active": ["unknown_member"]}


@pytest.mark.parametrize(("before", "faults"), [(245, ["own_words"]), (246, None)])
async def test_own_words_are_looked_for_in_the_first_254_characters(
    client: httpx.AsyncClient, before: int, faults: list[str] | None
) -> None:
    word, others = "zyxvquist", "kq7mvp4"  # With one character of the word, the others would be a password.
    response = await client.post(REGISTER, json=body(f"{word}{others}", display_name=f"{'.' * before}{word}"))

    assert faults_of(response).get("/password") == faults


@pytest.mark.parametrize("password", [None, 15, ["administrator2026"], "\n" * 15, "x" * 1025])
async def test_password_is_refused_once_when_it_is_no_text_of_one_line(
    client: httpx.AsyncClient, password: object
) -> None:
    response = await client.post(REGISTER, json={"email": "ada", "password": password, "display_name": "Ada"})

    assert len(faults_of(response)["/password"]) == 1


async def test_account_may_be_made_without_a_password(admin: Caller) -> None:
    members = body(PASSWORD) | {"password": None, "display_name": ""}

    assert faults_of(await admin.post(USERS, members)) == {"/display_name": ["too_short"]}


async def test_form_in_which_a_password_is_typed_makes_no_difference(client: httpx.AsyncClient) -> None:
    registration = body("sieben gru\u0308ne Eulen \N{OWL}")

    assert (await client.post(REGISTER, json=registration)).status_code == 201
    assert (await login(client, str(registration["email"]), "sieben gr\u00fcne Eulen \N{OWL}")).status_code == 200


async def test_operator_lowers_the_minimum_and_names_the_platform(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    lenient = await service_factory(
        await fresh_database(), password_min_characters="8", password_words="Zyxnews, vqbrand"
    )
    async with lenient.client() as client:
        assert (await client.post(REGISTER, json=body("kq7#Vx!p"))).status_code == 201
        assert faults_of(await client.post(REGISTER, json=body("kq7#Vx!"))) == {"/password": ["too_short"]}
        assert faults_of(await client.post(REGISTER, json=body("password"))) == {"/password": ["common"]}
        assert faults_of(await client.post(REGISTER, json=body("zyxnews-VQbrand"))) == {"/password": ["own_words"]}
        assert faults_of(await client.post(REGISTER, json=body("kq7#Vx!", x=1)))["/password"] == ["too_short"]
