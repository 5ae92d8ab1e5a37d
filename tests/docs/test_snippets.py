"""Whatever stands in a block of code on a page works as it stands there.

Commands are run, in order, against a running service, and print what the page shows below them; code is executed, and
configuration is read by what it is written for. A new page or block is covered by itself, or fails here.
"""

import asyncio
import configparser
import re
from collections.abc import AsyncIterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import crossplane
import httpx
import jsonschema
import msgspec
import pytest

from cms_service import schemas
from tests.docs import shell
from tests.docs.snippets import PAGES, ROOT, SHELLS, Block, answers, blocks_of, parse, prints, settled
from tests.docs.world import World, running_world
from tests.fixtures import Cluster

pytestmark = pytest.mark.slow

ELSEWHERE = {
    # Executed with what they need, by tests that read the page.
    ("docs/tutorial/life-of-an-account.md", "bash"): "tests/docs/test_tutorial.py",
    ("docs/tutorial/life-of-an-account.md", "text"): "tests/docs/test_tutorial.py",
    ("docs/guides/verify-tokens.md", "python"): "tests/rotation.py",
    ("docs/guides/verify-tokens.md", "ts"): "tests/rotation.py",
    ("CONTRIBUTING.md", "python"): "tests/contract/test_second_version.py",
    ("docs/operations/erasure.md", "console"): "tests/docs/test_erasure.py",
    ("docs/operations/retention.md", "bash"): "tests/docs/test_retention.py",
    # Used by the drill.
    ("docs/operations/failover.md", "yaml"): "tests/drill/page.py",
    ("docs/operations/failover.md", "haproxy"): "tests/drill/page.py",
    ("docs/operations/failover.md", "bash"): "tests/drill/page.py",
}
EXAMPLES = {
    "python": (".py", "tests/**/*.py"),
    "sql": (".sql", "docs/operations/*.md"),
    "typescript": (".ts", "tests/sdk/**/*.ts"),
}
"""Where the files of docs/examples are used; tests/docs/test_guides.py sees to it that each is shown."""
PRODUCTION = {
    "CMS_ENV": "production",
    "CMS_PUBLIC_URL": "https://accounts.example.org",
    "CMS_HOST": "0.0.0.0",  # noqa: S104
    "CMS_PASSWORD_HASHING": "standard",
}
ENVIRONMENTS = {"docs/operations/running.md": PRODUCTION}
"""Where a page shows what a deployment prints."""


@pytest.fixture(scope="module")
async def world(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running_world(cluster, template, tmp_path_factory.mktemp("world")) as running:
        yield running


def is_left_to_others(block: Block) -> bool:
    """Whether other tests have to do with the block."""
    return block.example is not None or (block.page, block.language) in ELSEWHERE


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.language in SHELLS for block in blocks_of(page))])
async def test_commands_print_what_the_page_shows(page: str, world: World, tmp_path: Path) -> None:
    blocks = [block for block in blocks_of(page) if not is_left_to_others(block)]
    commands = [block for block in blocks if block.language in SHELLS]
    environ = await world.names() | ENVIRONMENTS.get(page, {})

    printed = dict(zip(commands, await shell.run(commands, tmp_path, world.service.url, environ), strict=True))

    following = dict(pairwise(blocks))
    for block, output in printed.items():
        expected = following.get(block)
        if expected is not None and expected.is_printed:
            is_right = answers if expected.language == "json" else prints
            assert is_right(expected.code, output), f"{expected}\n{expected.code}\nprinted:\n{output}"
        elif shown := shell.shown(block):
            assert prints(shown, output), f"{block}\n{shown}\nprinted:\n{output}"
        else:
            assert not shell.is_refused(output), f"{block}\n{output}"


CODE = [
    block
    for page in PAGES
    for block in blocks_of(page)
    if block.language not in SHELLS and not block.is_printed and not is_left_to_others(block)
]


@pytest.mark.parametrize("block", CODE, ids=str)
async def test_other_block_is_what_it_says(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match block.language:
        case "json":
            log = [line for line in world.service.log.read_text().splitlines() if line.startswith("{")]
            assert _is_part_of_a_struct(parse(block.code)) or any(answers(block.code, line) for line in log)
        case "python":
            monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
            await asyncio.to_thread(exec, block.code, dict(await world.names()))
        case "sql":
            connection = await world.database.connect()
            await connection.execute(f"EXPLAIN {block.code}")
            await connection.close()
        case "yaml":
            await _ask_probes(msgspec.yaml.decode(block.code), world.admin.http)
        case "ini":
            configparser.ConfigParser(interpolation=None).read_string(block.code)
        case "nginx":
            assert _faults_of_nginx(block.code, tmp_path) == []
        case "text":
            logged = settled(world.service.log.read_text())
            assert [line for line in block.code.splitlines() if settled(line) not in logged] == []
        case "" if block.page == "CONTRIBUTING.md":
            layers = [re.sub(r"\W", " ", line).split()[0] for line in block.code.splitlines()]
            assert [name for name in layers if find_spec(f"cms_service.{name}") is None] == []
        case _:
            pytest.fail(f"{block}: say how a block of {block.language or 'no language'} is tested")


def test_blocks_that_are_left_to_other_tests_are_used_by_those() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page)]
    for (page, language), test in ELSEWHERE.items():
        assert (page, language) in {(block.page, block.language) for block in blocks}
        assert Path(page).name in (ROOT / test).read_text()
    for block in blocks:
        if block.example is not None:
            suffix, tests = EXAMPLES[block.language]
            name = block.example.removesuffix(suffix)
            assert (ROOT / f"docs/examples/{name}{suffix}").is_file(), block
            assert any(re.search(rf"\b{name}\b", path.read_text()) for path in ROOT.glob(tests)), block


def _is_part_of_a_struct(value: Any) -> bool:
    """Whether some Struct, or a part of one, has these members; others may be missing."""
    structs = [each for each in vars(schemas).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    whole = [each for each in structs if not getattr(each, "__parameters__", ())]
    _, components = msgspec.json.schema_components(whole, ref_template="#/$defs/{name}")
    for schema in components.values():
        schema.pop("required", None)
        schema["additionalProperties"] = False
    return any(
        jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": components}).is_valid(_told(value))
        for name, schema in components.items()
        if "properties" in schema
    )


def _told(value: Any) -> Any:
    """The value without what the page leaves out."""
    match value:
        case dict():
            return {name: _told(member) for name, member in value.items() if not _is_elided(member)}
        case list():
            return [_told(element) for element in value if not _is_elided(element)]
        case _:
            return value


def _is_elided(value: Any) -> bool:
    return isinstance(value, str) and "…" in value


async def _ask_probes(value: Any, http: httpx.AsyncClient) -> None:
    """The addresses that an orchestrator is told to ask are there."""
    match value:
        case {"httpGet": {"path": str(path)}}:
            assert (await http.get(path)).status_code == 200, path
        case dict():
            for member in value.values():
                await _ask_probes(member, http)
        case list():
            for element in value:
                await _ask_probes(element, http)


def _faults_of_nginx(code: str, directory: Path) -> list[Any]:
    configuration = directory / "nginx.conf"
    configuration.write_text(f"events {{}}\nhttp {{\n{code}}}\n")
    return list(crossplane.parse(str(configuration), strict=True)["errors"])
