"""Writes the files of docs/examples into the pages that show them: `just examples`.

A page names the file in a comment right above the block, so that its code is there wherever the page is read.
"""

import re

from tests.docs.snippets import PAGES, ROOT

EXAMPLES = ROOT / "docs/examples"

_SHOWN = re.compile(
    r"^(?P<opening><!-- docs/examples/(?P<name>[\w.]+) -->\n```\w+\n).*?(?P<closing>^```$)", re.MULTILINE | re.DOTALL
)


def with_examples(text: str) -> str:
    """Return the page with every block below a marker replaced by the file that the marker names."""
    return _SHOWN.sub(lambda match: match["opening"] + _code_of(match["name"]) + match["closing"], text)


def _code_of(name: str) -> str:
    code = (EXAMPLES / name).read_text()
    if "```" in code:
        raise ValueError(f"{name} would end its block early")
    return code


def main() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(with_examples(path.read_text()))


if __name__ == "__main__":
    main()
