from uuid import uuid4


def unique(stem: str) -> str:
    """`stem` with an ending that no other test has: tests of one worker share a database."""
    return f"{stem}-{uuid4().hex[:12]}"


def unique_email() -> str:
    return f"{unique('ada')}@example.org"
