"""What the workers need to be seen: a directory that they share, and where their traces go."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from cms_service.core.config import TracesExporter, read_traces_exporter
from cms_service.core.exceptions import ConfigurationError
from cms_service.core.observability import Metrics, Tracing, refuse_unusable_tracing, start_tracing


class Observing(msgspec.Struct, frozen=True):
    """Made before there are workers, and handed to each of them."""

    directory: Path
    exporter: TracesExporter | None

    def metrics(self) -> Metrics:
        """Those of one worker, which are part of the numbers of all."""
        return Metrics(self.directory)

    def tracing(self, public_url: str) -> Tracing | None:
        """Of one worker: threads do not survive a fork."""
        return start_tracing(self.exporter, public_url)


@contextmanager
def observing() -> Iterator[Observing]:
    """For as long as the block lasts. Raises ConfigurationError where the environment does not allow it."""
    exporter = read_traces_exporter()
    refuse_unusable_tracing(exporter)
    try:
        directory = TemporaryDirectory(prefix="cms-service-")
    except OSError as error:
        raise ConfigurationError(f"There is no directory for temporary files; TMPDIR may name one: {error}.") from None
    with directory as path:
        yield Observing(Path(path), exporter)
