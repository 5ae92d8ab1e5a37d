"""Text that is shown to people does not mislead them: shown for every member of a body that is text."""

import re
from typing import Any

import pytest

from tests.api.operations import STRICT, Operation
from tests.api.problems import faults_of
from tests.fixtures import Caller

INVISIBLE = ["   ", *"\u200b\u3164\u00a0\u115f\u2800\u034f\ufeff\u2003", "\ufe0f\ufe0e", "\u200c\u200d"]
BLANKS = [" ", "\u00a0", "\u3000", "\u2800"]
STEERING = ["\x00", "\n", "\t", "\u2028", "\u202e", "\u202a", "\u2066", "\u2069", "\x85"]
HIDDEN = ["\u3164", "\u115f", "\u2060", "\ufeff", "\ufff9", "\U000e0041"]
SOUND = ["\u00c5sa \u4e2d\u6587"]
JOINED = [
    "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
    "\u0915\u094d\u200d\u0937",
    "\U0001f469\u200d\U0001f4bb",
    "\u2764\ufe0f",
]
SECRETS = {"refresh_token", "device_token"}
"""Text of ours, which nobody reads."""


def is_free(schema: dict[str, Any]) -> bool:
    """Whether it is text of any script, and not a name for machines."""
    return bool(re.search(schema["pattern"], "\u4e2d"))


TEXTS = [
    (operation, way, schema)
    for operation in STRICT
    for way, schema in operation.members()
    if schema.get("type") == "string" and "pattern" in schema and "format" not in schema and way[-1] not in SECRETS
]
FREE = [(operation, way) for operation, way, schema in TEXTS if is_free(schema)]
NAMES = [(operation, way) for operation, way, schema in TEXTS if not is_free(schema)]


async def faults(caller: Caller, operation: Operation, way: tuple[str, ...], value: str) -> dict[str, list[str]]:
    # The unknown member has the request refused in any case, so that nothing is changed.
    body = operation.body_with(way, value) | {"no_such": 1}
    response = await caller.request(operation.method, operation.url(), json=body, if_match="*")
    found = faults_of(response)
    assert found.pop("/no_such") == ["unknown_member"]
    return found


def test_all_text_for_people_is_found() -> None:
    assert {f"{operation.id} {'/'.join(way)}" for operation, way in FREE} == {
        "assignRole reason",
        "assignServiceAccountRole reason",
        "createApiKey name",
        "createPermission description",
        "createRole description",
        "createRole title",
        "createServiceAccount description",
        "createUser display_name",
        "createUser external_id",
        "register display_name",
        "replaceServiceAccountRoles assignments/0/reason",
        "replaceUserRoles assignments/0/reason",
        "updateMe display_name",
        "updatePermission description",
        "updateRole description",
        "updateRole title",
        "updateServiceAccount description",
        "updateUser display_name",
        "updateUser external_id",
    }


@pytest.mark.parametrize(("operation", "way"), FREE, ids=str)
async def test_text_is_refused_when_nothing_of_it_is_visible(
    admin: Caller, operation: Operation, way: tuple[str, ...]
) -> None:
    for text in INVISIBLE:
        assert await faults(admin, operation, way, text) == {f"/{'/'.join(way)}": ["nothing_visible"]}, ascii(text)


@pytest.mark.parametrize(("operation", "way"), NAMES, ids=str)
async def test_name_for_machines_is_refused_when_nothing_of_it_is_visible(
    admin: Caller, operation: Operation, way: tuple[str, ...]
) -> None:
    for text in INVISIBLE:
        assert await faults(admin, operation, way, text * 3) == {f"/{'/'.join(way)}": ["pattern"]}, ascii(text)


@pytest.mark.parametrize(("operation", "way"), FREE, ids=str)
async def test_text_is_refused_when_blanks_surround_it(
    admin: Caller, operation: Operation, way: tuple[str, ...]
) -> None:
    for blank in BLANKS:
        for text in (f"{blank}Ada", f"Ada{blank}"):
            assert await faults(admin, operation, way, text) == {f"/{'/'.join(way)}": ["surrounding_blanks"]}, ascii(
                text
            )
        assert await faults(admin, operation, way, f"Ada{blank}Lovelace") == {}, ascii(blank)


@pytest.mark.parametrize(("operation", "way"), FREE, ids=str)
async def test_text_is_refused_when_it_breaks_lines_changes_direction_or_hides_something(
    admin: Caller, operation: Operation, way: tuple[str, ...]
) -> None:
    for character in STEERING + HIDDEN:
        found = await faults(admin, operation, way, f"Ada{character}Lovelace")
        assert found == {f"/{'/'.join(way)}": ["control_character"]}, ascii(character)


@pytest.mark.parametrize(("operation", "way"), FREE, ids=str)
async def test_text_may_be_of_any_script(admin: Caller, operation: Operation, way: tuple[str, ...]) -> None:
    for text in SOUND:
        assert await faults(admin, operation, way, text) == {}, ascii(text)
    # Two external ids must not differ by a joiner alone.
    expected = {"/external_id": ["control_character"]} if way == ("external_id",) else {}
    for text in JOINED:
        assert await faults(admin, operation, way, text) == expected, ascii(text)


@pytest.mark.parametrize(("operation", "way"), FREE, ids=str)
async def test_only_a_description_may_be_empty(admin: Caller, operation: Operation, way: tuple[str, ...]) -> None:
    may_be_empty = way[-1] == "description"
    assert await faults(admin, operation, way, "") == ({} if may_be_empty else {f"/{'/'.join(way)}": ["too_short"]})
