"""The service with one more route, which asks for a permission and needs no row.

python -m tests.benchmarks.guarded PORT, with the environment of the service
"""

import sys
from functools import partial

from litestar import get
from litestar.types import ASGIApp

from cms_service.api import Envelope
from cms_service.cli.console import prepare
from cms_service.cli.draining import Draining
from cms_service.cli.observing import Observing, observing
from cms_service.cli.serving import load_application
from cms_service.core.config import Settings
from cms_service.core.security import requires
from tests.benchmarks.bare_schemas import Greeting
from tests.benchmarks.limits import GREETING, serve


@get("/guarded", guards=[requires("users:read")], include_in_schema=False)
async def guarded() -> Greeting:
    return GREETING


def load_with_guarded(settings: Settings, draining: Draining, seen: Observing) -> ASGIApp:
    application = load_application(settings, draining, seen)
    if not isinstance(application, Envelope):
        raise TypeError("The outermost application is another one now.")
    application.litestar.register(guarded)
    return application


def main() -> None:
    settings = prepare()
    with observing() as seen:
        serve(int(sys.argv[1]), partial(load_with_guarded, settings, Draining(0), seen))


if __name__ == "__main__":
    main()
