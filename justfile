# The README's commands make the virtual environment. After `source .venv/bin/activate`, `just <recipe>` is enough.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# Recipes call the tools of the environment directly: no `uv run` inside, so nothing is synchronised half-way. Tools that
# only one recipe needs run in an environment of their own, which uv makes.
export PATH := justfile_directory() / ".venv/bin" + ":" + justfile_directory() / ".uv/bin" + ":" + env("PATH")
# Empty means unset. Where it is set, every interpreter compiles everything anew and takes three times as long to start.
export PYTHONDONTWRITEBYTECODE := ""

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

unwarned := "tests/sdk/unwarned"
generators := "uv run --quiet --isolated --only-group sdk"
npm_install := "--no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error"

# With COVERAGE=yes the tests measure which lines and branches of the service they run, in every process.
pytest := if env("COVERAGE", "") == "yes" { "coverage run -m pytest" } else { "pytest" }
elsewhere := "--ignore tests/benchmarks --ignore tests/enumeration --ignore tests/verifiers --ignore tests/revocation --ignore tests/contract --ignore tests/sdk --ignore tests/browser --ignore tests/pooler"

# Run the tests on two workers, in three to four minutes; arguments go to pytest.
test *args:
    {{ pytest }} -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not fault" {{ elsewhere }} "$@"

# Run the tests that start replicas, break the database or try thousands of things; takes three minutes.
test-slow *args:
    {{ pytest }} -n 2 --dist loadfile --no-loadscope-reorder -m "slow or fault" {{ elsewhere }} "$@"

# Verify tokens with jose while the keys rotate, and decide for a client of AuthZEN; needs Node.js 20 and its registry.
test-verifiers:
    mkdir -p build/verifiers
    cp tests/verifiers/package.json build/verifiers
    npm install --prefix build/verifiers {{ npm_install }}
    uv run --quiet --isolated --group verifiers pytest -n 3 --dist worksteal tests/verifiers

# Make the clients for Python and TypeScript from openapi.json into build/sdk; needs Node.js 20 and its registry.
sdk:
    rm -rf build/sdk/python build/sdk/typescript/dist
    mkdir -p build/sdk/typescript
    {{ unwarned }} {{ generators }} openapi-python-client generate --fail-on-warning --path openapi.json --meta uv --output-path build/sdk/python
    cp tests/sdk/typescript/{package,tsconfig}.json build/sdk/typescript
    npm pkg set --prefix build/sdk/typescript "version=$(python -c 'import json; print(json.load(open("openapi.json"))["info"]["version"])')"
    npm install --prefix build/sdk/typescript {{ npm_install }}
    {{ unwarned }} build/sdk/typescript/node_modules/.bin/openapi-ts --file tests/sdk/typescript/openapi-ts.config.mjs
    build/sdk/typescript/node_modules/.bin/tsc --project build/sdk/typescript

# Drive the real service through both clients, and through openapi-fetch with the types of openapi-typescript.
test-sdk: sdk
    MYPYPATH=build/sdk/python:docs/examples mypy --config-file tests/sdk/mypy.ini -p cms_service_client -p tests.sdk
    mkdir -p build/sdk/driver
    cp tests/sdk/driver/package.json build/sdk/driver
    npm install --prefix build/sdk/driver {{ npm_install }}
    mkdir -p build/sdk/openapi-fetch
    cp tests/sdk/openapi_fetch/package.json build/sdk/openapi-fetch
    npm install --prefix build/sdk/openapi-fetch {{ npm_install }}
    {{ unwarned }} build/sdk/openapi-fetch/node_modules/.bin/openapi-typescript openapi.json --output build/sdk/openapi-fetch/cms_service.d.ts
    pytest tests/sdk

# Make clients for Go and Java, with not one warning; needs Node.js 20 and its registry.
test-generators:
    rm -rf build/sdk/go build/sdk/java
    mkdir -p build/sdk/generators
    cp tests/sdk/generators/package.json build/sdk/generators
    npm install --prefix build/sdk/generators {{ npm_install }}
    python -m tests.sdk.without_examples openapi.json build/sdk/openapi-3.1.json
    build/sdk/generators/node_modules/.bin/openapi-down-convert --input build/sdk/openapi-3.1.json --output build/sdk/openapi-3.0.json
    {{ unwarned }} {{ generators }} openapi-generator-cli generate -i build/sdk/openapi-3.0.json -g go -o build/sdk/go --additional-properties=enumClassPrefix=true
    {{ unwarned }} {{ generators }} openapi-generator-cli generate -i build/sdk/openapi-3.0.json -g java -o build/sdk/java

# Show that what judges the document can fail, and that a second version can be added.
test-contract *args: _contract-tools
    pytest tests/contract "$@"

# Use the pages for people in a real browser, also behind nginx; needs Chromium and nginx.
test-browser *args:
    uv run --quiet --isolated --group browser pytest tests/browser "$@"

# Take the picture of the reference page for the README anew; needs Chromium.
screenshot: test-browser
    cp build/browser/reference-page.png docs/assets/reference-page.png

# Run the tests of the API through pgbouncer in transaction mode, but those of bad input; takes three minutes and needs pgbouncer.
test-pooler *args:
    pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not fault" --pgbouncer tests/pooler tests/api --ignore tests/api/test_bad_input.py --ignore tests/api/test_routes.py "$@"

# Ask two replicas thousands of questions while access changes and listeners fail; takes two minutes.
test-revocation:
    pytest tests/revocation

# Let Schemathesis call every operation as an administrator, a member and nobody; takes two minutes.
fuzz *args:
    python -m tests.fuzz "$@"

# Measure whether the answer to a failed sign-in, or its time, reveals the cause; takes a minute.
test-enumeration *args:
    python -m tests.enumeration "$@"

# Put 150 small faults into the service, one at a time, and see whether the tests notice; takes an hour on two cores.
mutate *args:
    python -m tests.mutation "$@"

# Run all static checks.
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

# Check that openapi.json is valid, what the code says, clean, and breaks no client of the last release; needs Node.js 20.
spec: _contract-tools
    openapi-spec-validator openapi.json
    cms-service openapi --check
    REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true {{ contract_tools }}/.bin/redocly lint --config tests/contract/redocly.yaml openapi.json
    {{ contract_tools }}/.bin/spectral lint --fail-severity warn --ruleset tests/contract/spectral.yaml openapi.json
    NODE_PATH={{ contract_tools }} node tests/contract/gate.cjs "$(ls docs/reference/openapi/*.json | sort -V | tail -n 1)" openapi.json

contract_tools := "build/contract/node_modules"

# Install what judges the document, once for each version of it.
_contract-tools:
    cmp -s tests/contract/package.json build/contract/installed.json || { \
        mkdir -p build/contract && cp tests/contract/package.json build/contract/ && \
        npm install --prefix build/contract {{ npm_install }} && \
        cp tests/contract/package.json build/contract/installed.json; \
    }

# Write openapi.json from the code.
openapi:
    cms-service openapi --output openapi.json

# Freeze openapi.json as what this version promises. Until the version is tagged, it may be frozen again.
release-document:
    version=$(python -c 'import json; print(json.load(open("openapi.json"))["info"]["version"])'); \
    if git rev-parse --quiet --verify "refs/tags/v$version" > /dev/null; then \
        echo "$version is released. Raise the version in pyproject.toml first." >&2; exit 1; \
    fi; \
    cp openapi.json "docs/reference/openapi/$version.json"

# Make the table of characters that look alike anew, from the ICU library that icu4py brings.
characters:
    uv run --quiet --isolated --only-group characters python -m tests.characters > cms_service/core/security/characters.py

# Write .env.example and the reference of the settings from the code.
settings:
    cms-service settings --env-example > .env.example
    cms-service settings --markdown > docs/reference/settings.md

# Write the files of docs/examples into the pages that show them.
examples:
    python -m tests.docs.examples

# Bring the database to the newest revision.
migrate:
    CMS_ENV="${CMS_ENV:-development}" cms-service migrate

# Draft a migration from what the models changed: just revision "roles have an owner".
revision message:
    CMS_ENV="${CMS_ENV:-development}" alembic revision --autogenerate --message "$1"

# Build the documentation into site/.
docs:
    NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

# Break a Patroni cluster under the service and restore backups; takes three minutes and needs etcd, Patroni and HAProxy.
drill *steps:
    python -m tests.drill "$@"

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

# Run the README's commands in a new Debian, as a user and as root; takes five minutes and needs root and debootstrap.
test-fresh *args:
    .ci/fresh_root "$@"

# Everything that must pass before a change is merged, two suites at a time.
ci: && coverage-report
    rm -rf build/coverage
    COVERAGE=yes .ci/suites test fuzz check test-slow test-pooler test-revocation test-verifiers test-sdk test-contract test-enumeration test-browser test-generators container-check docs

# Run `just test` and `just test-slow`, and say which lines and branches of the service they have missed.
coverage: && coverage-report
    rm -rf build/coverage
    COVERAGE=yes {{ just_executable() }} test
    COVERAGE=yes {{ just_executable() }} test-slow

# List what the last run with COVERAGE=yes has missed; fail below the bound in pyproject.toml.
coverage-report:
    coverage combine --quiet
    coverage report --sort=cover | tail -n 40

# Run what is too slow for every change; draws other requests, examples and faults every day.
ci-nightly:
    .ci/suites _nightly-fuzz _nightly-enumeration _nightly-properties && status=0 || status=$?; \
    python -m tests.mutation --seed "$(date +%Y%m%d)" && exit "$status"

_nightly-fuzz:
    python -m tests.fuzz --examples 8 --seed $(seq "$(date +%y%j)0" "$(date +%y%j)4")

_nightly-enumeration:
    python -m tests.enumeration --rounds 2000

# Run the property tests with new examples.
_nightly-properties:
    pytest -n 2 --dist loadfile -m hypothesis --hypothesis-profile nightly {{ elsewhere }}
