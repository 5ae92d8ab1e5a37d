"""The frame of the pages for people, except the reference: they load nothing but their icon, and need no script."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

from cms_service.api.reference_page import asset_path

TEMPLATES = Path(__file__).with_name("templates")
_STYLE = (TEMPLATES / "frame.css").read_text(encoding="utf-8")
_FRAME = Template((TEMPLATES / "frame.html").read_text(encoding="utf-8"))

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
}
"""Nothing else may be loaded, and only this style applies."""


def framed(title: str, content: str, base_path: str) -> str:
    """A whole page. The content is HTML, the title is text."""
    base = escape(base_path)
    icon = f"{base}{asset_path('favicon.svg')}"
    return _FRAME.substitute(title=escape(title), style=_STYLE, icon=icon, home=f"{base}/", content=content)
