"""The `type` of a problem leads to a page that says what it means, why it comes, and what helps."""

import re
from html import escape

import httpx

from tests.api.problems import code_of
from tests.docs.test_reference_pages import refusals


async def test_every_type_leads_to_cause_and_cure(client: httpx.AsyncClient) -> None:
    titles = {refusal.code: refusal.title for refusal in refusals()}
    for code, title in titles.items():
        answer = await client.get(f"/problems/{code}")

        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), code
        assert f"<h1>{escape(title)}</h1>" in answer.text
        assert re.search(r"<em>Cause:</em> \S", answer.text), code
        assert re.search(r"<em>Cure:</em> \S", answer.text), code
        # It needs nothing but its icon, and leads to nothing that is not there.
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        icon, *links = re.findall(r'(?:href|src)="([^"]*)"', answer.text)
        assert (await client.get(icon)).headers["content-type"] == "image/svg+xml"
        assert set(links) <= {"/", "/problems", *(f"/problems/{known}" for known in titles)}, code


async def test_index_names_every_problem(client: httpx.AsyncClient) -> None:
    page = (await client.get("/problems")).text

    assert set(re.findall(r'href="/problems/(\w+)"', page)) == {refusal.code for refusal in refusals()}


async def test_type_resolves_against_the_request_that_was_refused(client: httpx.AsyncClient) -> None:
    refused = await client.get("/api/v1/users/me")
    code_of(refused, 401)

    assert (await client.get(str(refused.url.join(refused.json()["type"])))).status_code == 200


async def test_unknown_problem_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/problems/nope", "/problems/..%2Fproblems"):
        assert code_of(await client.get(path), 404) == "not_found"
