"""The pytest plugin of a sandbox: selects the tests of a run and tells the outcome of each."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.mutation import recorder

NOT_VIABLE = 70
"""The exit code where the service cannot even be imported."""
IMPORTED = ("cms_service.app", "cms_service.cli")
"""Together they import all modules."""
SESSION = "session fixture "


class Plan(msgspec.Struct, frozen=True):
    """Instructions for one run of pytest."""

    events: str
    """The file for the events."""
    selected: frozenset[str] | None = None
    """Ids of the tests to run; None: all that are collected."""
    known: frozenset[str] | None = None
    """Ids of all tests that there are without the fault. Any other exists because of the fault, and is run."""
    is_recorded: bool = False


class Event(msgspec.Struct, frozen=True):
    """The beginning or the outcome of one test."""

    test: str
    outcome: str
    """`begun`, `passed`, `skipped` or `failed`."""
    seconds: float = 0
    contexts: tuple[str, ...] = ()
    """Of the recorder: that of the test, and those of the fixtures that it shares with others."""
    reason: str = ""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutation-plan", required=True, type=Path)


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    plan = msgspec.json.decode(early_config.known_args_namespace.mutation_plan.read_bytes(), type=Plan)
    try:
        for name in IMPORTED:
            importlib.import_module(name)
    except BaseException:  # noqa: BLE001 - whatever a fault may raise
        os._exit(NOT_VIABLE)
    early_config.pluginmanager.register(_Observer(plan))
    if plan.is_recorded:
        early_config.pluginmanager.register(_Recording())


class _Observer:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._events = Path(plan.events)
        self._seconds = 0.0
        self._outcome = "passed"
        self._reason = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
        """The files come in the order of the arguments; their tests stay together for the sake of shared fixtures."""
        yield
        selected, known = self._plan.selected, self._plan.known

        def is_chosen(name: str) -> bool:
            return selected is None or name in selected or (known is not None and name not in known)

        files = list(dict.fromkeys(argument.partition("::")[0] for argument in config.args))
        places = {file: place for place, file in enumerate(files)}
        chosen = [item for item in items if is_chosen(item.nodeid)]
        chosen.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))
        config.hook.pytest_deselected(items=[item for item in items if not is_chosen(item.nodeid)])
        items[:] = chosen

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._seconds, self._outcome, self._reason = 0.0, "passed", ""
        self._tell(Event(item.nodeid, "begun"))
        result = yield
        event = Event(item.nodeid, self._outcome, self._seconds, _contexts_of(item), self._reason)
        self._tell(event)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds += report.duration
        if report.failed:
            self._outcome = "failed"
            message = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr))
            self._reason = self._reason or message.strip().partition("\n")[0]
        elif report.skipped and self._outcome == "passed":
            self._outcome = "skipped"

    def _tell(self, event: Event) -> None:
        with self._events.open("ab") as file:
            file.write(msgspec.json.encode(event) + b"\n")


class _Recording:
    """Names the contexts."""

    def __init__(self) -> None:
        self._recorder = recorder.of_this_process()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._recorder.announce(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[Any]:
        """A fixture that several tests share has a context of its own, for its beginning and its end."""
        if fixturedef.scope == "function":
            return (yield)
        context = _context_of(fixturedef)
        self._recorder.announce(context)
        try:
            return (yield)
        finally:
            self._recorder.announce(request._pyfuncitem.nodeid)
            # pytest runs finalizers in reverse order, so this one runs before those of the fixture.
            fixturedef.addfinalizer(lambda: self._recorder.announce(context))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._recorder.announce("")


def _contexts_of(item: pytest.Item) -> tuple[str, ...]:
    info = getattr(item, "_fixtureinfo", None)
    definitions = [found[-1] for found in info.name2fixturedefs.values()] if info is not None else []
    shared = (_context_of(definition) for definition in definitions if definition.scope != "function")
    return (item.nodeid, *shared)


def _context_of(definition: pytest.FixtureDef[Any]) -> str:
    return f"{definition.scope} fixture {definition.baseid}::{definition.argname}"
