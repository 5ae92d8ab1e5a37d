"""Variables that Kubernetes adds to every pod, which only look like settings.

For a Service named `cms-frontend`, the kubelet sets `CMS_FRONTEND_SERVICE_HOST`, `CMS_FRONTEND_SERVICE_PORT`,
`CMS_FRONTEND_PORT` and more; for one named `cms`, even `CMS_PORT`. See
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

_URL = re.compile(r"(?:tcp|udp|sctp)://\S+:[0-9]+")
_PROTOCOL = re.compile(r"tcp|udp|sctp")
_NUMBER = re.compile(r"[0-9]+")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = tuple(
    (re.compile(rf"[A-Z0-9_]+{name}"), has_value)
    for name, has_value in (
        (r"_SERVICE_HOST", _is_address),
        (r"_SERVICE_PORT(?:_[A-Z0-9_]+)?", _NUMBER.fullmatch),
        (r"_PORT", _URL.fullmatch),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)", _URL.fullmatch),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PROTO", _PROTOCOL.fullmatch),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PORT", _NUMBER.fullmatch),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_ADDR", _is_address),
    )
)


def without_service_links(texts: Mapping[str, str]) -> dict[str, str]:
    """Leave out each variable that has both the name and the value of a service link."""
    return {name: text for name, text in texts.items() if not _is_service_link(name, text)}


def _is_service_link(name: str, text: str) -> bool:
    return any(names.fullmatch(name) and has_value(text) for names, has_value in _FORMS)
