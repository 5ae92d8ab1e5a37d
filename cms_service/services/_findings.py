"""The three ways in which a check ends."""

from cms_service.schemas import Finding, Verdict

GRANT_ADVICE = (
    "Let the role that runs `cms-service migrate` be that of the service, or give the latter USAGE on the schema and "
    "SELECT, INSERT, UPDATE, DELETE on all of its tables, also those to come (ALTER DEFAULT PRIVILEGES)."
)


def ok(check: str, found: str) -> Finding:
    return Finding(check, Verdict.OK, found)


def warn(check: str, found: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARN, found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    return Finding(check, Verdict.FAIL, found, advice)
