"""Tells what was asked for from a refusal."""

from typing import TypeVar

from cms_service_client.models import Problem, ValidationProblem

Answer = TypeVar("Answer")


class Refused(Exception):
    """The service said no. `code` says why, for programs; `faults` maps what is wrong in the request to its code."""

    def __init__(self, problem: Problem | ValidationProblem) -> None:
        super().__init__(f"{problem.code}: {problem.detail} (request {problem.request_id})")
        self.status = problem.status
        self.code = problem.code
        self.faults: dict[str, str] = {}
        if isinstance(problem, ValidationProblem):
            self.faults = {fault.pointer: fault.code for fault in problem.errors}


def accepted(answer: Answer | Problem | ValidationProblem | None) -> Answer:
    """Return what was asked for. Raises Refused for a problem."""
    if isinstance(answer, Problem | ValidationProblem):
        raise Refused(answer)
    if answer is None:
        raise RuntimeError("the answer is none that this version of the client knows")
    return answer
