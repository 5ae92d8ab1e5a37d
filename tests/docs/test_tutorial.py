"""The tutorial works as it is written.

All ```bash blocks of the page run in one shell, in order. What a block prints is the ```text block that follows it,
where `…` stands for anything; a block that nothing follows prints nothing.
"""

import re
from pathlib import Path

from tests.docs.shell import run_bash
from tests.fixtures import DatabaseFactory, ServiceFactory

PAGE = Path(__file__).parents[2] / "docs/tutorial/life-of-an-account.md"
STEP = re.compile(r"^```bash\n(?P<commands>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
END_OF_STEP = "--- end of step ---"


def matches(output: str, expected: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), output, re.DOTALL) is not None


async def test_every_step_prints_what_the_page_says(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory, tmp_path: Path
) -> None:
    service = await service_factory(await fresh_database(), access_token_seconds="300")
    steps = [match.groupdict(default="") for match in STEP.finditer(PAGE.read_text())]
    script = "".join(f"{step['commands']}\necho '{END_OF_STEP}'\n" for step in steps)

    environ = {"SERVICE": service.url, "ADMIN_EMAIL": service.admin_email, "ADMIN_PASSWORD": service.admin_password}
    output, _ = await run_bash(script, tmp_path, environ)

    printed = output.split(f"{END_OF_STEP}\n")
    for step, actual in zip(steps, printed, strict=False):
        assert matches(actual, step["output"]), f"{step['commands']}\nprinted:\n{actual}\ninstead of:\n{step['output']}"
    assert len(printed) == len(steps) + 1, "The last step did not end."
