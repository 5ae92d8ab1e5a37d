"""The pages to which the `type` of a problem leads: what has happened, why, and what helps."""

import re
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.params import FromPath

from cms_service.api.base_path import base_path_in
from cms_service.api.page_frame import PAGE_HEADERS, framed
from cms_service.core.exceptions import NotFound, ServiceError
from cms_service.core.security import PUBLIC

# Inside an installed package the texts stand beside this file, in a checkout in its documentation.
_INSTALLED = Path(__file__).with_name("problems.md")
_REFERENCE = _INSTALLED if _INSTALLED.is_file() else Path(__file__).parents[2] / "docs/reference/problems.md"
_SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_TEXTS: dict[str, str] = dict(_SECTION.findall(_REFERENCE.read_text(encoding="utf-8")))
_LINK_TO_PROBLEM = re.compile(r"\]\(#(\w+)\)")
_LINK_TO_GUIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")
_PROBLEM = """<article class="text">
<h1>{title}</h1>
<p class="code"><code>{code}</code></p>
{text}<p><a href="{base}/problems">All problems</a></p>
</article>
"""
_INDEX = """<article class="text">
<h1>Problems</h1>
<p>Every refusal names its code. These pages say why it comes, and what helps.</p>
<ul class="links">
{items}</ul>
</article>
"""
_ITEM = '<li><a href="{path}"><code>{code}</code></a> <span>{title}</span></li>\n'


@get("/problems", opt={PUBLIC: True}, include_in_schema=False, sync_to_thread=False)
def problem_index(request: Request[Any, Any, Any]) -> Response[str]:
    """List all problems, in alphabetical order."""
    return Response(_index(base_path_in(request.scope)), media_type=MediaType.HTML, headers=PAGE_HEADERS)


@get("/problems/{code:str}", opt={PUBLIC: True}, include_in_schema=False, sync_to_thread=False)
def problem_page(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[str]:
    """For people who follow the `type` of a problem. It says what the reference says."""
    if code not in _TEXTS:
        raise NotFound
    return Response(_page(code, base_path_in(request.scope)), media_type=MediaType.HTML, headers=PAGE_HEADERS)


@cache
def _page(code: str, base_path: str) -> str:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - takes 15 ms, and few ever read a page

    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(_for_here(_TEXTS[code], base_path))
    title = _title_of(code)
    content = _PROBLEM.format(code=code, title=escape(title), text=text, base=escape(base_path))
    return framed(f"{code}: {title}", content, base_path)


@cache
def _index(base_path: str) -> str:
    items = [
        _ITEM.format(path=escape(f"{base_path}/problems/{code}"), code=code, title=escape(_title_of(code)))
        for code in sorted(_TEXTS)
    ]
    return framed("Problems", _INDEX.format(items="".join(items)), base_path)


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
