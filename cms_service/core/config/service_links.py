"""Variables that Kubernetes adds to every pod, which only look like settings.

For a Service named `cms-frontend`, the kubelet sets `CMS_FRONTEND_SERVICE_HOST`, `CMS_FRONTEND_SERVICE_PORT`,
`CMS_FRONTEND_PORT` and more; for one named `cms`, even `CMS_PORT`. Docker's legacy links use the same names. See
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
"""

import re
from collections.abc import Mapping

_URL = r"(?:tcp|udp|sctp)://\S+:[0-9]+"
_PORT = r"[0-9]+"
_HOST = r"[0-9a-fA-F.:]+"
_FORMS = tuple(
    (re.compile(rf"[A-Z0-9_]+{name}"), re.compile(value))
    for name, value in (
        (r"_SERVICE_HOST", _HOST),
        (r"_SERVICE_PORT(?:_[A-Z0-9_]+)?", _PORT),
        (r"_PORT", _URL),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)", _URL),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_PORT", _PORT),
        (r"_PORT_[0-9]+_(?:TCP|UDP|SCTP)_ADDR", _HOST),
    )
)


def without_service_links(texts: Mapping[str, str]) -> dict[str, str]:
    """Leave out each variable that has both the name and the value of a service link."""
    return {name: text for name, text in texts.items() if not _is_service_link(name, text)}


def _is_service_link(name: str, text: str) -> bool:
    return any(names.fullmatch(name) and values.fullmatch(text) for names, values in _FORMS)
