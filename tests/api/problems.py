"""What every refusal must look like."""

import httpx


def code_of(response: httpx.Response, *statuses: int) -> str:
    """The code of a sound problem document with one of these statuses."""
    assert response.status_code in statuses, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    code = str(problem["code"])
    assert problem["status"] == response.status_code
    assert problem["type"] == f"/problems/{code}"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    return code


def faults_of(response: httpx.Response) -> dict[str, list[str]]:
    """Codes of the violations of a 400, by pointer."""
    code_of(response, 400)
    found: dict[str, list[str]] = {}
    for fault in response.json()["errors"]:
        found.setdefault(fault["pointer"], []).append(fault["code"])
    return found
