"""The table of a run, for a terminal and for the documentation."""

from collections.abc import Callable, Sequence

import msgspec

from tests.benchmarks.figures import Figures


class Row(msgspec.Struct, frozen=True):
    """One piece of work: the service beside one limit."""

    work: str
    limit: str
    """What the service is compared with."""
    limit_figures: Figures
    service_figures: Figures
    unit: str = "requests/s"
    connections: int | None = None

    @property
    def ratio(self) -> float:
        return self.service_figures.value / self.limit_figures.value


Column = tuple[str, Callable[[Row], str]]

COLUMNS: Sequence[Column] = (
    ("work", lambda row: row.work),
    ("limit", lambda row: row.limit),
    ("unit", lambda row: row.unit),
    ("limit", lambda row: _number(row.limit_figures.value)),
    ("service", lambda row: _number(row.service_figures.value)),
    ("ratio", lambda row: f"{row.ratio:.2f}"),
    ("p50 / p99 ms, limit", lambda row: _latency(row.limit_figures)),
    ("service", lambda row: _latency(row.service_figures)),
    ("CPU µs, limit", lambda row: _number(row.limit_figures.cpu_microseconds)),
    ("service", lambda row: _number(row.service_figures.cpu_microseconds)),
    ("conn.", lambda row: _number(row.connections)),
    ("errors", lambda row: f"{row.limit_figures.errors} / {row.service_figures.errors}"),
)
TEXT_COLUMNS = 3
"""The first ones are read, the others compared."""


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table that lines up in a terminal, too."""
    names = [name for name, _ in COLUMNS]
    cells = [[cell(row) for _, cell in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    rule = ["-" * width if index < TEXT_COLUMNS else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    return "".join(_line(line, widths) for line in [names, rule, *cells])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if index < TEXT_COLUMNS else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |\n"


def _latency(figures: Figures) -> str:
    return "" if figures.p50_ms is None else f"{_number(figures.p50_ms)} / {_number(figures.p99_ms)}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}" if value < 1 else f"{value:.1f}"
