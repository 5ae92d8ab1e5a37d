"""Every test runs against real PostgreSQL, and tests of the API against the real service in its own process."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures"]

# The same examples each time, at any speed. `just ci-nightly` draws others, and four times as many. A test that needs
# more or fewer states a multiple of the profile's number.
settings.register_profile("tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "nightly", max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("tests")
