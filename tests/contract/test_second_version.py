"""A second version of the API is a folder and a line, as CONTRIBUTING.md says: with what it shows, it works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import Database, Service, service_environ

ROOT = Path(__file__).parents[2]
SNIPPET = re.compile(r'^```python title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with what the guide adds."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("cms_service", "migrations", "docs/reference"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for path, code in SNIPPET.findall((ROOT / "CONTRIBUTING.md").read_text()):
        (copy / path).parent.mkdir(exist_ok=True)
        (copy / path).write_text(code)
    app = copy / "cms_service/app.py"
    text, imports = re.subn(
        r"^(from cms_service\.api\.)v1( import router as )v1\n", r"\g<0>\1v2\2v2\n", app.read_text(), flags=re.MULTILINE
    )
    text, lists = re.subn(r"route_handlers=\[\s*v1,", r"\g<0> v2,", text)
    assert (imports, lists) == (1, 1)
    app.write_text(text)
    return copy


def test_contracts_hold_for_both_versions(project: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    result = subprocess.run(  # noqa: S603 - our own command
        command, cwd=project, env={"PYTHONPATH": str(project)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


async def test_both_versions_are_documented_and_served(project: Path, database: Database) -> None:
    # With a variable of its own it starts a new interpreter, which imports the copy.
    service = Service({"PYTHONPATH": str(project), **service_environ(database)}, project)
    try:
        await service.wait_until_ready()
        async with service.client() as http:
            credentials = {"email": service.admin_email, "password": service.admin_password}
            login = (await http.post("/api/v1/auth/login", json=credentials)).json()
            headers, user = {"Authorization": f"Bearer {login['access_token']}"}, login["user"]
            document = (await http.get("/schema/openapi.json")).json()
            first = await http.get(f"/api/v1/users/{user['id']}", headers=headers)
            second = await http.get(f"/api/v2/users/{user['id']}", headers=headers)
            refused = await http.get(f"/api/v2/users/{user['id']}")
    finally:
        await service.stop()
    operations = {
        path: document["paths"][path]["get"]["operationId"]
        for path in ("/api/v1/users/{user_id}", "/api/v2/users/{user_id}")
    }
    assert list(operations.values()) == ["getUser", "getUserV2"]
    assert {"User", "UserV2"} <= document["components"]["schemas"].keys()
    assert first.json()["display_name"] == user["display_name"]
    assert second.json() == {"id": user["id"], "name": user["display_name"]}
    assert (refused.status_code, refused.json()["code"]) == (401, "authentication_required")
