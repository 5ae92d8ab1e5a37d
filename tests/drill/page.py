"""The configuration and the commands that the page shows: the drill uses those, so that they work as they stand."""

from typing import Any

import msgspec

from tests.docs.snippets import blocks_of

PAGE = "docs/operations/failover.md"


def patroni_configuration() -> dict[str, Any]:
    """The parts that matter for failovers."""
    configuration: dict[str, Any] = msgspec.yaml.decode(_block("yaml"))
    return configuration


def haproxy_configuration(port: int, members: dict[str, tuple[int, int]]) -> str:
    """The same on one machine; `members` has the ports of PostgreSQL and of Patroni by name."""
    lines = [line for line in _block("haproxy").splitlines() if not line.strip().startswith("server ")]
    lines[lines.index("    bind :5432")] = f"    bind 127.0.0.1:{port}"
    for name, (postgres_port, rest_port) in members.items():
        lines.append(f"    server {name} 127.0.0.1:{postgres_port} check port {rest_port}")
    return "\n".join([*lines, ""])


def backup_commands() -> str:
    """They dump a database and restore it as `cms_restored`."""
    return _block("bash")


def _block(language: str) -> str:
    (code,) = [block.code for block in blocks_of(PAGE) if block.language == language]
    return code
