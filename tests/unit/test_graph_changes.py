"""A preview compares two states of the role graph: by groups, and still what the rules say word by word."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from cms_service.core.security import implying
from cms_service.repositories import RoleGraph
from cms_service.services._graph_changes import changes_between

IDS = [UUID(int=number) for number in range(6)]
NAMES = ("a:x", "a:y", "a:*", "b:x", "*:*")
Permissions = st.sets(st.sampled_from(NAMES), max_size=2)
Held = st.fixed_dictionaries(dict.fromkeys(IDS, Permissions))
Inherited = st.fixed_dictionaries({IDS[n]: st.sets(st.sampled_from(IDS[:n]), max_size=2) for n in range(1, len(IDS))})
Number = st.integers(1, len(IDS) - 1)


def graph(parents: dict[UUID, set[UUID]], held: dict[UUID, set[str]], names: Collection[str] = NAMES) -> RoleGraph:
    """Roles without parents, and those without permissions, are left out as in the database."""
    return RoleGraph(
        {role_id: set(ids) for role_id, ids in parents.items() if ids},
        {role_id: set(own) for role_id, own in held.items() if own},
        set(names),
    )


def given_by(role_id: UUID, state: RoleGraph) -> set[str]:
    above = (given_by(parent_id, state) for parent_id in state.parents.get(role_id, ()))
    return state.permissions.get(role_id, set()).union(*above)


def givers(name: str, state: RoleGraph) -> frozenset[UUID]:
    if name not in state.names:
        return frozenset()
    return frozenset(role_id for role_id in IDS if given_by(role_id, state) & set(implying(name)))


@given(
    Inherited, Held, Number, st.sampled_from(["permissions", "parents", "delete_role", "delete_permission"]), st.data()
)
@settings(max_examples=3 * settings().max_examples)
def test_changes_are_those_of_every_role_and_permission_one_by_one(
    parents: dict[UUID, set[UUID]], held: dict[UUID, set[str]], number: int, what: str, data: Any
) -> None:
    before = graph(parents, held)
    kept: Sequence[str] = NAMES
    role_id = IDS[number]
    match what:
        case "permissions":
            held[role_id] = data.draw(Permissions)
        case "parents":
            parents[role_id] = data.draw(st.sets(st.sampled_from(IDS[:number]), max_size=3))
        case "delete_role":
            del parents[role_id], held[role_id]
            for ids in parents.values():
                ids.discard(role_id)
        case _:
            kept = NAMES[1:]
            for names in held.values():
                names.discard(NAMES[0])
    after = graph(parents, held, kept)
    changed = {name for each in IDS for name in given_by(each, before) ^ given_by(each, after)}
    changed |= set(NAMES) - set(kept)
    expected = {
        (name, givers(name, before), givers(name, after))
        for name in changed
        if givers(name, before) != givers(name, after)
    }

    changes = changes_between(before, after)

    assert {(name, each.before, each.after) for each in changes for name in each.permissions} == expected
    assert len({(each.before, each.after) for each in changes}) == len(changes)


def test_five_hundred_permissions_for_five_thousand_heirs_are_one_change() -> None:
    base, *heirs = (UUID(int=number) for number in range(5_001))
    names = {f"articles:a{number:03}" for number in range(500)}
    parents, own = {heir: {base} for heir in heirs}, {heir: {f"own:{heir.int % 50}"} for heir in heirs}

    changes = changes_between(RoleGraph(parents, own, names), RoleGraph(parents, own | {base: names}, names))

    assert [(each.permissions, each.before, each.after) for each in changes] == [
        (sorted(names), frozenset(), frozenset({base, *heirs}))
    ]
