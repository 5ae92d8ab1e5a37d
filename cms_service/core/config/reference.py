"""The settings for people: `.env.example` and the table of the documentation."""

from textwrap import wrap

import msgspec

from cms_service.core.config.secret_files import other_form
from cms_service.core.config.settings import VARIABLES, Settings, variable_name
from cms_service.core.config.variables import Variable

_WIDTH = 100


def render_env_example() -> str:
    """Return the text of `.env.example`: every setting, described, with its default in development."""
    lines = [
        "# Settings of cms-service, made by `cms-service settings --env-example`. Copy to `.env`, which is read in",
        "# development only. Every line that starts with #CMS_ shows the default, or an example where there is none.",
        "",
        "CMS_ENV=development",
    ]
    for field, variable in VARIABLES.items():
        if field == "environment":
            continue
        facts = f"Expected: {variable.parser.expected}."
        if variable.computed_default:
            facts += f" Default: {variable.computed_default}."
        if variable.is_secret:
            facts += f" {other_form(variable_name(field))} may name a file that holds it instead."
        paragraphs = (variable.description, facts)
        # Part no address, date or name at its hyphen.
        wrapped = (line for paragraph in paragraphs for line in wrap(paragraph, _WIDTH, break_on_hyphens=False))
        lines += ["", *(f"# {line}" for line in wrapped)]
        lines.append(f"#{variable_name(field)}={_development_text(variable)}")
    return "\n".join(lines) + "\n"


def render_settings(settings: Settings) -> str:
    """Return one line for each setting with its present value; secrets are not shown."""
    return "".join(f"{variable_name(field)}={_text(value)}\n" for field, value in settings.__rich_repr__())


def render_settings_as_json(settings: Settings) -> str:
    """Return a JSON object with the present value of each setting, null where it has none; secrets are not shown."""
    values = {variable_name(field): value for field, value in settings.__rich_repr__()}
    return msgspec.json.format(msgspec.json.encode(values, enc_hook=str)).decode() + "\n"


def render_settings_reference() -> str:
    """Return a Markdown table of every setting."""
    rows = [
        f"| {_names(field, variable)} | {_default_words(variable)} | {variable.parser.expected} "
        f"| {variable.description} |"
        for field, variable in VARIABLES.items()
    ]
    return "\n".join(["| Variable | Default | Expected | What it decides |", "|---|---|---|---|", *rows]) + "\n"


def _names(field: str, variable: Variable) -> str:
    name = variable_name(field)
    return f"`{name}` or `{other_form(name)}`" if variable.is_secret else f"`{name}`"


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _development_text(variable: Variable) -> str:
    texts = (variable.development_default, variable.default, variable.example)
    return next((text for text in texts if text), "")


def _default_words(variable: Variable) -> str:
    words = variable.computed_default or (f"`{variable.default}`" if variable.default else "none")
    if variable.development_default:
        words += f" (development: `{variable.development_default}`)"
    return f"**required**; {words}" if variable.is_required_in_production else words
