"""The revisions that this version knows, in the order in which they are applied.

Every start needs the newest one, and no more of Alembic. So the files are read here, without it.
"""

import re
from functools import cache
from pathlib import Path

_DECLARED = re.compile(r"""^(revision|down_revision)\b[^=\n]*= (?:None|["'](\w+)["'])$""", re.MULTILINE)


def is_current(revision: str | None) -> bool:
    """Whether this version can work with a database at the revision: its own newest, or a later version's.

    Migrations only add until no running version needs what they take away, so an older version stays in service
    while a newer one is rolled out.
    """
    return revision == head_revision() or is_newer(revision)


def is_newer(revision: str | None) -> bool:
    """Whether only a later version can have made the revision."""
    return revision is not None and revision not in known_revisions()


def pending_revisions(revision: str | None) -> list[str]:
    """The revisions that `upgrade` would apply, in their order; none where a later version was at work."""
    if is_newer(revision):
        return []
    known = known_revisions()
    return list(known if revision is None else known[known.index(revision) + 1 :])


def head_revision() -> str:
    """Return the newest revision that this version knows."""
    return known_revisions()[-1]


@cache
def known_revisions() -> tuple[str, ...]:
    """All of them, the first one first."""
    followers = dict(map(_link_of, (migrations_directory() / "versions").glob("*.py")))
    known: list[str] = []
    while followers:
        known.append(followers.pop(known[-1] if known else None))
    return tuple(known)


def migrations_directory() -> Path:
    """Return where the migrations are: inside an installed package, at the top of a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def _link_of(file: Path) -> tuple[str | None, str]:
    """The revision before that of the file, and its own."""
    declared: dict[str, str] = dict(_DECLARED.findall(file.read_text(encoding="utf-8")))
    return declared["down_revision"] or None, declared["revision"]
