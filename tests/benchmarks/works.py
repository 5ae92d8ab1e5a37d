"""What is measured: every item under the name by which `--only` knows it."""

from collections.abc import Callable, Iterator, Mapping

from tests.benchmarks.bench import Bench
from tests.benchmarks.report import Row
from tests.benchmarks.works_access import batch, evaluation, guarded, token
from tests.benchmarks.works_accounts import listing, login, login_storm, me, refresh, user
from tests.benchmarks.works_growth import growth
from tests.benchmarks.works_holders import holders
from tests.benchmarks.works_process import memory, start
from tests.benchmarks.works_propagation import propagation

Work = Callable[[Bench], Iterator[Row]]

WORKS: Mapping[str, Work] = {
    work.__name__.replace("_", "-"): work
    for work in (
        me,
        user,
        guarded,
        evaluation,
        batch,
        token,
        growth,
        propagation,
        login,
        refresh,
        listing,
        holders,
        login_storm,
        start,
        memory,
    )
}
