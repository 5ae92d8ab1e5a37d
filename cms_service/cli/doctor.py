"""What is wrong with a deployment, and what to do about it."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence

import rich_click as click

from cms_service.cli.console import EXIT_CONFIGURATION, EXIT_FAILURE, print_json
from cms_service.core.config import Settings, configure_logging, load_settings, read_environment
from cms_service.core.database import running_database
from cms_service.core.exceptions import ConfigurationError, SettingsRefused
from cms_service.operating import diagnose
from cms_service.schemas import Diagnosis, Finding, Verdict

ADVICE_ON_SETTINGS = "See docs/reference/settings.md, or `cms-service settings --markdown`."
COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead.")
def doctor(*, is_json: bool) -> None:
    """Check the settings, the database, the clock and the keys, and say what to do. Nothing is changed.

    Run it with the environment of the service. Exit codes: 0 nothing fails (there may be warnings), 1 something fails,
    2 the settings cannot be read.

    \b
    Examples:
      cms-service doctor
      cms-service doctor --json
    """  # noqa: D301 - \b tells click to keep the lines
    try:
        diagnosis, exit_code = _examine()
    except SettingsRefused as error:
        diagnosis, exit_code = _refusal(error.problems, error.advice), EXIT_CONFIGURATION
    except ConfigurationError as error:
        diagnosis, exit_code = _refusal([str(error)]), EXIT_CONFIGURATION
    _tell(diagnosis, is_json=is_json)
    sys.exit(exit_code)


def _examine() -> tuple[Diagnosis, int]:
    settings = load_settings(read_environment(), makes_secret_key=False)
    configure_logging(settings)
    diagnosis = _diagnose(settings)
    return diagnosis, EXIT_FAILURE if diagnosis.verdict is Verdict.FAIL else 0


def _diagnose(settings: Settings) -> Diagnosis:
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        missing = f"there is none in {settings.data_dir} yet"
        return Diagnosis(
            Verdict.FAIL, [Finding("database", Verdict.FAIL, missing, "Run `cms-service serve`, which makes one.")]
        )
    with running_database(settings) as running:
        return asyncio.run(diagnose(running))


def _refusal(problems: Sequence[str], last_advice: str | None = None) -> Diagnosis:
    findings = [Finding("settings", Verdict.FAIL, problem, ADVICE_ON_SETTINGS) for problem in problems]
    if last_advice is not None:
        findings[-1] = Finding("settings", Verdict.FAIL, problems[-1], last_advice)
    return Diagnosis(Verdict.FAIL, findings)


def _tell(diagnosis: Diagnosis, *, is_json: bool) -> None:
    if is_json:
        print_json(diagnosis)
        return
    width = max(len(finding.check) for finding in diagnosis.findings)
    for finding in diagnosis.findings:
        mark = click.style(finding.verdict.ljust(4), fg=COLOURS[finding.verdict])
        click.echo(f"{mark}  {finding.check.ljust(width)}  {finding.found}")
        if finding.advice is not None:
            click.echo(f"      {' ' * width}  {finding.advice}")
    count = Counter(finding.verdict for finding in diagnosis.findings)
    click.echo(f"\n{count[Verdict.OK]} ok, {count[Verdict.WARN]} to look at, {count[Verdict.FAIL]} failing.")
