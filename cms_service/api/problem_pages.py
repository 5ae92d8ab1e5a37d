"""The page to which the `type` of a problem leads: what has happened, why, and what helps."""

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.params import FromPath
from markdown_it import MarkdownIt

from cms_service.api.base_path import base_path_in
from cms_service.core.exceptions import NotFound, ServiceError
from cms_service.core.security import PUBLIC

# Inside an installed package the texts stand beside this file, in a checkout in its documentation.
_INSTALLED = Path(__file__).with_name("problems.md")
_REFERENCE = _INSTALLED if _INSTALLED.is_file() else Path(__file__).parents[2] / "docs/reference/problems.md"
_SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_TEXTS: dict[str, str] = dict(_SECTION.findall(_REFERENCE.read_text(encoding="utf-8")))
_LINK_TO_PROBLEM = re.compile(r"\]\(#(\w+)\)")
_LINK_TO_GUIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")
_STYLE = (
    ":root{color-scheme:light dark}body{max-width:44rem;margin:3rem auto;padding:0 1rem;font:1rem/1.55 sans-serif}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.3rem .7rem;border:1px solid #888}"
    "p code{overflow-wrap:anywhere}a{color:LinkText}"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{code}: {title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p><code>{code}</code></p>
{text}</main>
</body>
</html>
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
}


@get("/problems/{code:str}", opt={PUBLIC: True}, include_in_schema=False, sync_to_thread=False)
def problem_page(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[str]:
    """For people who follow the `type` of a problem. It says what the reference says."""
    if code not in _TEXTS:
        raise NotFound
    return Response(_page(code, base_path_in(request.scope)), media_type=MediaType.HTML, headers=_HEADERS)


@cache
def _page(code: str, base_path: str) -> str:
    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(_for_here(_TEXTS[code], base_path))
    return _PAGE.format(code=code, title=escape(_title_of(code)), style=_STYLE, text=text)


def _for_here(text: str, base_path: str) -> str:
    """Problems link to each other as they do in the reference; guides, which are not served, are only named."""
    linked = _LINK_TO_PROBLEM.sub(lambda match: f"]({base_path}/problems/{match[1]})", text)
    return _LINK_TO_GUIDE.sub(r"\1", linked)


def _title_of(code: str) -> str:
    return next(refusal.title for refusal in _refusals(ServiceError) if refusal.code == code)


def _refusals(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for refusal in base.__subclasses__():
        yield refusal
        yield from _refusals(refusal)
