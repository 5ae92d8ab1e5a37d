"""The bare application of the benchmarks is a fair thing to compare the service with."""

import re
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from cms_service import schemas
from tests.benchmarks import bare_schemas, limits
from tests.benchmarks.without import DEVELOPMENT, SERVICE
from tests.programs import imported_by

ROOT = Path(__file__).parents[2]
BARE = {"anyio", "asyncpg", "granian", "litestar", "msgspec", "multidict", "multipart", "pyyaml", "sniffio", "uvloop"}
"""Litestar with what it brings along, asyncpg and granian with its event loop."""
MAKE_BARE = "from tests.benchmarks.limits import create_limits; create_limits('postgresql://')"
MAKE_SERVICE = """
from cms_service import cli
from cms_service.app import create_app
from tests.unit.settings import edge_settings
create_app(edge_settings())
"""


def distributions_of(modules: set[str]) -> set[str]:
    """Without this project, and without what coverage brings into every process that it measures."""
    known = packages_distributions()
    names = {name for module in modules for name in known.get(module.partition(".")[0], [])}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names} - {"cms-service", "coverage", "typing-extensions"}


def locked() -> set[str]:
    return set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def shape_of(type_: inspect.Type, *, is_read: bool) -> Any:
    """Without the words of descriptions: names, types, what may be absent, and the rules on texts that are read."""
    match type_:
        case inspect.Metadata():
            return shape_of(type_.type, is_read=is_read)
        case inspect.StructType():
            return {
                field.encode_name: (shape_of(field.type, is_read=is_read), field.required) for field in type_.fields
            }
        case inspect.UnionType():
            return {repr(shape_of(member, is_read=is_read)) for member in type_.types}
        case inspect.ListType():
            return [shape_of(type_.item_type, is_read=is_read)]
        case inspect.StrType() if is_read:
            return type_.min_length, type_.max_length, type_.pattern
    return type(type_)


def test_nothing_but_bare_libraries_is_imported_when_the_bare_application_is_made(tmp_path: Path) -> None:
    modules = imported_by(MAKE_BARE, tmp_path, *DEVELOPMENT, *SERVICE)

    own = {module for module in modules if module.partition(".")[0] in {"cms_service", "tests"}}
    assert own == {"tests", "tests.benchmarks", "tests.benchmarks.bare_schemas", "tests.benchmarks.limits"}
    assert distributions_of(modules) <= BARE


def test_nothing_that_an_image_lacks_is_imported_when_the_measured_service_is_made(tmp_path: Path) -> None:
    modules = imported_by(MAKE_SERVICE, tmp_path, *DEVELOPMENT)

    assert "cms_service.app" in modules
    assert distributions_of(modules) <= locked()


@pytest.mark.parametrize(("name", "is_read"), [("UserRead", False), ("EvaluationRequest", True), ("Decision", False)])
def test_struct_of_the_bare_application_has_the_shape_when_the_service_has_one_of_its_name(
    name: str, is_read: bool
) -> None:
    bare, served = inspect.multi_type_info([getattr(bare_schemas, name), getattr(schemas, name)])

    assert shape_of(bare, is_read=is_read) == shape_of(served, is_read=is_read)


@pytest.mark.parametrize("answer", [limits.USER, limits.PERMITTED], ids=lambda answer: type(answer).__name__)
def test_answer_of_the_bare_application_has_the_same_bytes_when_the_service_gives_it(answer: msgspec.Struct) -> None:
    encoded = msgspec.json.encode(answer)

    assert msgspec.json.encode(msgspec.json.decode(encoded, type=getattr(schemas, type(answer).__name__))) == encoded
