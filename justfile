# `uv run just <recipe>` needs nothing but uv: it makes the virtual environment first. So does `just setup`, once.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# Recipes call the tools of the environment directly: no `uv run` inside, so nothing is synchronised half-way.
export PATH := justfile_directory() / ".venv/bin" + ":" + env("PATH")

# What `requirements.lock` is made of: everything that runs in production, nothing that only develops.
shipped := "--quiet --format requirements-txt --no-default-groups --no-emit-project --no-annotate --no-header"

# List the recipes.
default:
    @{{ just_executable() }} --list --unsorted

# Make the virtual environment and install the git hooks.
setup:
    uv sync
    pre-commit install

# Serve on http://127.0.0.1:8000, with a PostgreSQL of its own unless CMS_DATABASE_URL names one.
run *args:
    @CMS_ENV="${CMS_ENV:-development}" exec cms-service serve "$@"

elsewhere := "--ignore tests/benchmarks --ignore tests/enumeration --ignore tests/verifiers --ignore tests/revocation"

# Run the tests on two workers; arguments go to pytest.
test *args:
    pytest -n 2 --dist loadfile -m "not slow and not fault" {{ elsewhere }} "$@"

# Run the tests that start replicas, break the database or try thousands of things; takes three minutes.
test-slow *args:
    pytest -n 2 --dist loadfile -m "slow or fault" {{ elsewhere }} "$@"

# Verify tokens with jose while the keys rotate; needs Node.js 20 and its registry.
test-verifiers:
    mkdir -p build/verifiers
    cp tests/verifiers/package.json build/verifiers
    npm install --prefix build/verifiers --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
    pytest tests/verifiers

# Ask two replicas thousands of questions while access changes and listeners fail; takes two minutes.
test-revocation:
    pytest tests/revocation

# Measure whether a sign-in that fails tells by its answer or its time what is wrong; takes five minutes.
test-enumeration *args:
    python -m tests.enumeration "$@"

# Everything that can be judged without running the service.
check: fmt-check lint types imports spec lock-check containerfile

# Format the code and repair what ruff can repair.
fmt:
    ruff check --fix-only --quiet .
    ruff format .

# Fail when the code is not formatted.
fmt-check:
    ruff format --check .

# Lint the code.
lint:
    ruff check .

# Check the types.
types:
    mypy

# Check who imports whom.
imports:
    lint-imports --no-logo

# Check that openapi.json is valid and what the code says.
spec:
    openapi-spec-validator openapi.json
    cms-service openapi --check

# Write openapi.json from the code.
openapi:
    cms-service openapi --output openapi.json

# Write .env.example and the reference of the settings from the code.
settings:
    cms-service settings --env-example > .env.example
    cms-service settings --markdown > docs/reference/settings.md

# Bring the database to the newest revision.
migrate:
    CMS_ENV="${CMS_ENV:-development}" cms-service migrate

# Draft a migration from what the models changed: just revision "roles have an owner".
revision message:
    CMS_ENV="${CMS_ENV:-development}" alembic revision --autogenerate --message "$1"

# Build the documentation into site/.
docs:
    NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

# Measure the service against the limits of this machine, in one run.
bench *args:
    python -m tests.benchmarks "$@"

# Write requirements.lock, the hashed requirements that the container installs.
lock:
    uv export {{ shipped }} --output-file requirements.lock

# Fail when requirements.lock names other versions than pyproject.toml; needs no network.
lock-check:
    diff <(sed -E '/^ +--hash/d; s/ \\$//' requirements.lock) <(uv export {{ shipped }} --frozen --no-hashes)

# Lint the Containerfile.
containerfile:
    hadolint Containerfile

# Prove the steps of the Containerfile in a clean virtual environment.
container-check:
    .ci/container_steps

# Everything that must pass before a change is merged.
ci: check test test-slow test-verifiers test-revocation test-enumeration docs container-check
