"""Runs a module as if some packages of this environment were not installed.

python -m tests.benchmarks.without PACKAGE,PACKAGE… MODULE ARGUMENT…
"""

import runpy
import sys

DEVELOPMENT = ("annotated_types", "attr", "attrs", "pydantic", "pydantic_core", "starlette")
"""Litestar imports these wherever they are installed. Here the tools for development bring them along; an image, which
is made from `requirements.lock`, has none of them."""
SERVICE = ("advanced_alchemy", "dotenv", "opentelemetry", "sqlalchemy")
"""Litestar and granian import these too, and a bare application would not install them."""


def main() -> None:
    packages, module, *arguments = sys.argv[1:]
    for package in filter(None, packages.split(",")):
        sys.modules[package] = None  # type: ignore[assignment]  # Now its import fails.
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
