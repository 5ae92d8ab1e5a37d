"""The files in which workers keep their numbers, while workers come and go."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector


class SharedFiles(Collector):
    """Those of one directory. Any of them may appear or go at any time: other workers read them too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def forget_dead(self) -> None:
        """What only a living worker has goes with it. The library's own function fails where two do so at once."""
        for path in self._directory.glob("gauge_live*.db"):
            if not _is_ours(int(path.stem.rpartition("_")[2])):
                path.unlink(missing_ok=True)

    def collect(self) -> Iterable[Metric]:
        """The numbers of all together."""
        files = list(self._begun())
        return cast(Iterable[Metric], MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]

    def _begun(self) -> Iterator[str]:
        """A file that was made a moment ago is empty, which the library cannot read."""
        for path in self._directory.glob("*.db"):
            with suppress(FileNotFoundError):
                if path.stat().st_size > 0:
                    yield str(path)


def _is_ours(process_id: int) -> bool:
    """Workers have the same user, so whatever may not be sent a signal is another process that got the number."""
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
