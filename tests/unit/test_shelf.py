from cms_service.core.dependencies import SystemClock
from cms_service.services.shelf import Shelf


def shelf() -> Shelf[str, int]:
    return Shelf(2, 30, SystemClock())


def test_value_that_was_used_least_recently_goes_first() -> None:
    full = shelf()
    full.put("a", 1)
    full.put("b", 2)
    full.get("a")
    full.put("c", 3)

    assert [full.peek(key) for key in "abc"] == [1, None, 3]


def test_peeking_neither_counts_nor_keeps_a_value_longer() -> None:
    full = shelf()
    full.put("a", 1)
    full.put("b", 2)
    assert full.peek("a") == 1
    assert full.peek("x") is None
    full.put("c", 3)

    assert (full.hits, full.misses) == (0, 0)
    assert full.peek("a") is None
