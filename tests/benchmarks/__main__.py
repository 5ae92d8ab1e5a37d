"""Measure, and print one table.

`just bench` takes about twelve minutes, `just bench --quick` about four.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from cms_service.operating import create_administrator
from tests.benchmarks.bench import ADMIN_EMAIL, Bench
from tests.benchmarks.database import PASSWORD, prepared_database
from tests.benchmarks.load import require_wrk
from tests.benchmarks.report import Row, markdown
from tests.benchmarks.servers import service_settings, serving_limits, serving_service
from tests.benchmarks.works import WORKS


def main() -> None:
    arguments = _arguments()
    require_wrk()
    print(f"Filling a database with {arguments.users:,} users …", file=sys.stderr)
    with prepared_database(arguments.users) as database, tempfile.NamedTemporaryFile(suffix=".log") as log:
        asyncio.run(create_administrator(service_settings(database.url), ADMIN_EMAIL, PASSWORD))
        with serving_limits(database.url, log.file) as limits, serving_service(database.url, log.file) as service:
            bench = Bench(
                database=database,
                service=service,
                limits=limits,
                log=log.file,
                rounds=arguments.rounds,
                seconds=arguments.seconds,
            )
            rows = _measure(bench, arguments.only or list(WORKS))
    table = markdown(rows)
    print(table, end="")
    if arguments.markdown is not None:
        arguments.markdown.write_text(table, encoding="utf-8")


def _measure(bench: Bench, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        print(f"Measuring {name} …", file=sys.stderr)
        rows += WORKS[name](bench)
    return rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="just bench", description="Measure the service against limits of this machine."
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 second with 5,000 users")
    parser.add_argument("--only", action="append", choices=WORKS, metavar="NAME", help=f"one of: {', '.join(WORKS)}")
    parser.add_argument("--users", type=int, help="accounts in the database (200,000)")
    parser.add_argument("--rounds", type=int, help="how often each pair takes its turn (5)")
    parser.add_argument("--seconds", type=int, help="how long each turn takes (4)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to a file, too")
    arguments = parser.parse_args()
    users, rounds, seconds = (5_000, 3, 1) if arguments.quick else (200_000, 5, 4)
    arguments.users = arguments.users or users
    arguments.rounds = arguments.rounds or rounds
    arguments.seconds = arguments.seconds or seconds
    return arguments


if __name__ == "__main__":
    main()
