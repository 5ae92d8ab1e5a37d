"""Write on standard output what Unicode says of its characters, as far as look-alikes need it: `just characters`.

The ICU library says it, which comes with icu4py: it is the one place where the scripts, the confusable characters and
their skeletons (UTS 39) are of one version, and that a package registry offers. The service itself does not need it.
"""

import ctypes
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

DEFAULT_IGNORABLE = 5
"""`UCHAR_DEFAULT_IGNORABLE_CODE_POINT` of ICU."""
MOST_SCRIPTS = 64
LONGEST_SKELETON = 256
UNASSIGNED = ("Zzzz",)
WIDTH = 120
CODE_POINTS = [point for point in range(0x80, sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
HEAD = '''\
"""Properties of the characters of Unicode {version}, without ASCII. Made by `just characters`: do not edit.

Derived from data files of Unicode, copyright 1991-{year} Unicode, Inc. (https://www.unicode.org/terms_of_use.html).
"""
'''


class Icu:
    """The C interface of the ICU library that comes with icu4py."""

    def __init__(self) -> None:
        package = find_spec("icu4py")
        if package is None or package.origin is None:
            raise ModuleNotFoundError(name="icu4py")
        directory = Path(package.origin).parents[1] / "icu4py.libs"
        paths = {name: next(directory.glob(f"libicu{name}-*")) for name in ("data", "uc", "i18n")}
        self._libraries = [ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL) for path in paths.values()]
        self._version = re.split(r"\.so\.", paths["uc"].name)[1].split(".")[0]
        self._has = self._function("u_hasBinaryProperty")
        self._extensions = self._function("uscript_getScriptExtensions")
        self._short_name = self._function("uscript_getShortName", ctypes.c_char_p)
        self._skeleton = self._function("uspoof_getSkeletonUTF8")
        self._checker = ctypes.c_void_p(self._function("uspoof_open", ctypes.c_void_p)(ctypes.byref(ctypes.c_int(0))))

    def unicode_version(self) -> str:
        parts = (ctypes.c_uint8 * 4)()
        self._function("u_getUnicodeVersion")(parts)
        return f"{parts[0]}.{parts[1]}"

    def is_ignorable(self, point: int) -> bool:
        return bool(self._has(point, DEFAULT_IGNORABLE))

    def scripts_of(self, point: int) -> tuple[str, ...]:
        """Its Script_Extensions, by their short names."""
        found = (ctypes.c_int * MOST_SCRIPTS)()
        count = self._checked(self._extensions, point, found, MOST_SCRIPTS)
        return tuple(sorted(self._short_name(found[index]).decode() for index in range(count)))

    def skeleton_of(self, point: int) -> str:
        """Return the skeleton of a character (UTS 39, section 4)."""
        text, skeleton = chr(point).encode(), ctypes.create_string_buffer(LONGEST_SKELETON)
        length = self._checked(self._skeleton, self._checker, 0, text, len(text), skeleton, LONGEST_SKELETON)
        return skeleton.raw[:length].decode()

    def _function(self, name: str, returns: Any = ctypes.c_int) -> Callable[..., Any]:
        full_name = f"{name}_{self._version}"
        library = next(library for library in self._libraries if hasattr(library, full_name))
        function: Callable[..., Any] = getattr(library, full_name)
        function.restype = returns  # type: ignore[attr-defined]
        return function

    def _checked(self, function: Callable[..., int], *arguments: Any) -> int:
        error = ctypes.c_int(0)
        result = function(*arguments, ctypes.byref(error))
        if error.value > 0:
            raise RuntimeError(f"ICU error {error.value}")
        return result


def main() -> None:
    icu = Icu()
    scripts = {point: of_it for point in CODE_POINTS if (of_it := icu.scripts_of(point)) != UNASSIGNED}
    ignorable = [point for point in CODE_POINTS if icu.is_ignorable(point)]
    ascii_like = [point for point in CODE_POINTS if not icu.is_ignorable(point) and icu.skeleton_of(point).isascii()]
    version = icu.unicode_version()
    sys.stdout.write(HEAD.format(version=version, year=2008 + int(version.partition(".")[0])))
    _write("SCRIPTS", _by_scripts(scripts), "The script extensions of ranges: `=` begins those of the ranges after it.")
    _write("LIKE_ASCII", _ranges(ascii_like), "Characters whose skeleton (UTS 39) is wholly ASCII.")
    _write("IGNORABLE", _ranges(ignorable), "Characters that are not displayed (Default_Ignorable_Code_Point).")


def _by_scripts(scripts: dict[int, tuple[str, ...]]) -> Iterator[str]:
    """Unassigned code points do not end a range."""
    runs: dict[tuple[str, ...], list[str]] = {}
    for of_it, run in groupby(scripts.items(), key=lambda item: item[1]):
        points = [point for point, _ in run]
        runs.setdefault(of_it, []).append(_range(points[0], points[-1]))
    for of_it, ranges in runs.items():
        yield f"={','.join(of_it)}"
        yield from ranges


def _ranges(points: Iterable[int]) -> Iterator[str]:
    for _, run in groupby(enumerate(points), key=lambda item: item[1] - item[0]):
        members = [point for _, point in run]
        yield _range(members[0], members[-1])


def _range(first: int, last: int) -> str:
    return f"{first:X}" if first == last else f"{first:X}-{last:X}"


def _write(name: str, tokens: Iterable[str], meaning: str) -> None:
    lines = textwrap.fill(" ".join(tokens), WIDTH, break_long_words=False, break_on_hyphens=False)
    sys.stdout.write(f'\n{name} = """\n{lines}\n"""\n"""{meaning}"""\n')


if __name__ == "__main__":
    main()
