"""One stream of bytes, a window at a time: where in it a secret begins."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hooked_analytics.leaks.links import signed_links
from hooked_analytics.leaks.named import named_keys
from hooked_analytics.leaks.views import line_of, unwrapped, views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hooked_analytics.leaks.forms import KeyForms

_WINDOW_BYTES = 2**20
_THE_KEY = "the API key of this environment"
_OVERLAP_BYTES = 2**14  # more than the longest key, written in the longest way


class Find(NamedTuple):
    """A secret in a stream: what it is and where, lines counted from 1 and bytes from 0."""

    line: int
    byte: int
    what: str
    text: bytes  # of that line up to the find, to name a cell by; never shown


class Search:
    r"""
    Look through streams for the key of the environment, named keys and live links.

    Parameters
    ----------
    key : the key when it is known
    now : links that end before are dead, and only counted

    Examples
    --------
    >>> import io
    >>> search = Search(None, now=datetime(2024, 1, 15, tzinfo=UTC))
    >>> found = search.stream(io.BytesIO(b"one\nx-api-key: " + b"9f86d081" * 4))
    >>> [(find.line, find.what) for find in found], search.dead_links
    ([(2, 'a value behind x-api-key')], 0)
    """

    def __init__(self, key: KeyForms | None, *, now: datetime | None = None) -> None:
        self._key = key
        self._now = now or datetime.now(UTC)
        self.dead_links = 0

    def text(self, text: str) -> bool:
        """Whether a text holds a secret."""
        return any(self._window(text.encode(errors="replace"), True, set(), set()))

    def stream(
        self, stream: BinaryIO, *, lines: Callable[[bytes], bytes] | None = None
    ) -> Iterator[Find]:
        """
        Search to the end, in memory that does not grow with the stream.

        Parameters
        ----------
        lines : puts line breaks where a file has none
        """
        first_line, first_byte, tail, links = 1, 0, b"", set[bytes]()
        reported: set[tuple[int, str]] = set()
        for block, last in _blocks(stream):
            window = tail + (lines(block) if lines else block)
            earlier, links = links, set()
            for find in self._window(window, last, links, earlier):
                line = first_line + find.line
                if (line, find.what) not in reported:
                    reported.add((line, find.what))
                    yield find._replace(line=line, byte=first_byte + find.byte)
            cut = max(len(window) - _OVERLAP_BYTES, 0)
            first_line, first_byte = first_line + window.count(b"\n", 0, cut), first_byte + cut
            reported = {found for found in reported if found[0] >= first_line}
            tail = window[cut:]

    def _window(
        self, window: bytes, last: bool, links: set[bytes], earlier: set[bytes]
    ) -> Iterator[Find]:
        lines: set[int] = set()
        for view in views(window):
            found = [*self._named(view, last=last), *self._links(view, last, links, earlier)]
            for find in chain(self._keys(view), found):
                if find.line not in lines:
                    lines.add(find.line)
                    yield find
        if self._key is not None and not lines:
            at = self._key.find(unwrapped(view))
            if at >= 0:
                yield Find(line_of(view, at), at, _THE_KEY, b"")

    def _keys(self, view: bytes) -> Iterator[Find]:
        if self._key is None:
            return
        begin = 0
        while begin >= 0 and (at := self._key.find(view, begin)) >= 0:
            yield _find(view, at, _THE_KEY)
            begin = view.find(b"\n", at)

    def _named(self, view: bytes, *, last: bool) -> Iterator[Find]:
        for at, end, name in named_keys(view):
            if last or end < len(view):
                yield _find(view, at, f"a value behind {name}")

    def _links(
        self, view: bytes, last: bool, links: set[bytes], earlier: set[bytes]
    ) -> Iterator[Find]:
        for link in signed_links(view):
            if (not last and link.end == len(view)) or link.signature in links:
                continue
            links.add(link.signature)
            if link.ends_at is not None and link.ends_at <= self._now:
                self.dead_links += link.signature not in earlier
            else:
                yield _find(view, link.start, _link(link.ends_at))


def _blocks(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Read to the end, or to the damage, which is raised after what came before it."""
    read = getattr(stream, "read1", stream.read)
    block, fault = _block(read)
    while block:
        following, fault = (b"", fault) if fault else _block(read)
        yield block, not following
        block = following
    if fault:
        raise fault


def _block(read: Callable[[int], bytes]) -> tuple[bytes, Exception | None]:
    pieces: list[bytes] = []
    left = _WINDOW_BYTES
    try:
        while left and (piece := read(left)):
            pieces.append(piece)
            left -= len(piece)
    except Exception as fault:  # noqa: BLE001 - raised by the caller
        return b"".join(pieces), fault
    return b"".join(pieces), None


def _find(view: bytes, at: int, what: str) -> Find:
    begin = view.rfind(b"\n", 0, at) + 1
    return Find(view.count(b"\n", 0, at), at, what, view[begin:at])


def _link(ends_at: datetime | None) -> str:
    if ends_at is None:
        return "a signed link that does not say when it ends"
    return f"a signed link that opens until {ends_at:%Y-%m-%d %H:%M} UTC"
