"""Every test runs against real PostgreSQL, and tests of the API against the real service in its own process."""

pytest_plugins = ["tests.fixtures"]
