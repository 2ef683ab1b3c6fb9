"""
Find API keys and live links in files before they are shared; no part of one is in a result.

Text, notebooks, zip-based files, gzip, Parquet and Arrow are searched, within bounded memory.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from hooked_analytics._internal.net import signed_link_ends_at
from hooked_analytics._internal.unpack import parts_of, reason
from hooked_analytics.client import KEY_VARIABLE, keys_of_environment

MAX_FINDS = 20  # of one file
MAX_DEAD_LINKS = 2**17  # that are told apart
MIN_KEY = 8
OVERLAP_BYTES = 2**14  # of two windows; more than the longest key, written in the longest way
REACH_BYTES = 8000  # of a signed link
PUBLIC_KEYS = frozenset({"sandbox-key"})  # it is in the sandbox's documentation
SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache"}
)


class Checked(NamedTuple):
    """Lines to print, and how many files and expired links there were."""

    leaks: list[str]
    unread: list[str]
    files: int
    dead_links: int


class SearchedKeys:
    """Keys to search for, and their base64; `str` and `repr` show nothing of them."""

    def __init__(self, *keys: str) -> None:
        known = tuple(key.encode("ascii") for key in keys)
        packed = {part for key in known for part in _packed(key)}
        written = {write(key).encode() for key in keys for write in _WRITINGS}
        self.forms = (*known, *written, *packed)
        # letters and digits in a row are the same in every writing
        marks = {max(re.findall(rb"[A-Za-z0-9]*", key), key=len) for key in known} | packed
        # in lines of 23 signs or more, one of its first two dozens is whole
        halves = ((mark, min(12, len(mark) // 2)) for mark in marks)
        self.parts = [(mark, mark[:half], mark[half : 2 * half]) for mark, half in halves]
        self.pieces = {key[at : at + 6] for key in keys for at in range(len(key) - 5)}

    def __repr__(self) -> str:
        return "***"


_WRITINGS = (quote, html.escape, lambda key: json.dumps(key)[1:-1], lambda key: repr(key)[1:-1])


def _packed(key: bytes) -> Iterator[bytes]:
    """Give base64 of the key wherever it stands in a longer text: what its bits alone decide."""
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + key)
        middle = packed[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        if len(middle) >= MIN_KEY:
            yield from (middle, middle.translate(bytes.maketrans(b"+/", b"-_")))


def key_of_environment() -> SearchedKeys | None:
    """Take ``HOOKED_API_KEY`` and every ``HOOKED_API_KEY_*``; a ValueError names what is no key."""
    keys = {n: k for n, k in keys_of_environment().items() if k.reveal() not in PUBLIC_KEYS}
    if odd := [n for n, k in keys.items() if not re.fullmatch(r"[\x21-\x7e]{8,512}", k.reveal())]:
        name = KEY_VARIABLE if KEY_VARIABLE in odd else f"{KEY_VARIABLE}_*"
        why = f"it has fewer than {MIN_KEY} characters, or some that no header can carry"
        raise ValueError(f"{name} is no key that can be searched for: {why}")
    return SearchedKeys(*(key.reveal() for key in keys.values())) if keys else None


# -- what a secret looks like; every repetition is bounded or cannot be read in two ways --------

_NAME = re.compile(rb"api[-_]?key")
_BEHIND = re.compile(
    rb"(?P<quoted>(?:\\{0,3}[\"'])?)\]?(?:[ \t]{0,9}:[ \t]{0,9}[A-Za-z][\w .|\[\]]{0,40}?(?==))?"
    rb"[ \t]{0,20}(?P<mark>[:=]{1,2}>?|[, \t])[ \t]{0,20}b?(?P<opened>(?:\\{0,3}[\"'])?)"
    rb"(?P<value>[A-Za-z0-9$%_+/~-][!#$%*+./0-9:=?@A-Z^_a-z~|-]{0,511})"
)
_PASSWORD = re.compile(rb'"PasswordModel".{0,1000}?"value":\s{0,9}"[^"]{8}', re.DOTALL)
_WORDS = (
    "undefined|placeholder|sandbox|redacted|optional|required|example|default|missing|invalid"
    "|string|secret|sample|dummy|hidden|change|hooked|insert|token|false|value|paste|wrong|other"
    "|your|here|goes|test|fake|none|null|true|real|good|some|our|the|own|api|key|bad|any|not|my|an"
    "|me|a"
)
_PLACEHOLDER = re.compile(
    rf"(?i)[$%].*|.*(?:\.\.\.|\*\*\*|x{{6}}).*|(?:your|my|insert|paste)[-_].*|hooked_api_key.*"
    rf"|(?:(?:{_WORDS})[-_.]?)++|(.)\1+"
    r"|(?:os\.environ|os\.getenv|getenv|getpass|process\.env|secrets\.|env\.).*"
)
_EXPRESSION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.?")
_LINK = re.compile(rb"(?i)https?:\\{0,2}/\\{0,2}/[^\s\"'<>`]{1,%d}" % REACH_BYTES)
_FIELD = re.compile(
    rb"(?i)(?:[?&;#]|\\u0026|%3f|%26)(x-(?:amz|goog)-(?:signature|date|expires)|signature|sig"
    rb"|expires|se|policy)(?:=|%3d)([^&;#\\]+)"
)
# only near one of these, or near a known key, can there be anything (in lower case)
_CANDIDATES = tuple(
    (literal, re.compile(re.escape(literal) + further))
    for literal, further in (
        (b"api", rb"[-_]?key"), (b"sig", rb"(?:nature|=|%3d|\\u003d|&#)"), (b"passwordmodel", b""),
        (b"\\u00", rb"[\da-f]{2}(?:\\{1,4}u00[\da-f]{2}){7}"),
        (b"\\x", rb"[\da-f]{2}(?:\\{1,4}x[\da-f]{2}){7}"), (b"%", rb"[\da-f]{2}(?:%[\da-f]{2}){7}"),
        (b"#", rb"x?[\da-f]{1,4};(?:&(?:amp;){0,3}#x?[\da-f]{1,4};){7}"),
    )
)  # fmt: skip


def _named_keys(text: bytes, lower: bytes) -> Iterator[tuple[int, int, str]]:
    """Find values behind ``x-api-key:``, ``api_key=``, ``HOOKED_API_KEY=`` and their like."""
    for name in _NAME.finditer(lower):
        before = lower[max(name.start() - 7, 0) : name.start()]
        shown = "x-api-key" if before.endswith((b"x-", b"x_")) else "api_key"
        shown = KEY_VARIABLE if before == b"hooked_" else shown
        behind = _BEHIND.match(text, name.end())
        if behind and _is_key(behind, text, shown != "api_key", name.start()):
            yield name.start(), behind.end(), f"a value behind {shown}"
    for typed in _PASSWORD.finditer(text) if b"PasswordModel" in text else ():
        yield typed.start(), typed.end(), "a value in a password field"


def _is_key(behind: re.Match[bytes], text: bytes, header: bool, start: int) -> bool:
    value = behind["value"].decode("ascii").rstrip(".:,?!")
    if len(value) < MIN_KEY or value in PUBLIC_KEYS or _PLACEHOLDER.fullmatch(value):
        return False
    if behind["mark"] in b", \t":  # a pair in a list of headers, %env NAME value, or only words
        pair = behind["quoted"] and behind["opened"] if behind["mark"] == b"," else header
        return bool(pair) and len(value) >= 16 and not value.isalpha()
    if behind["opened"] or text[start - 1 : start] in {b"?", b"&"}:
        return True
    if text[behind.end() : behind.end() + 1] in {b"(", b"["}:  # a call in code
        return False
    if header and not behind["quoted"] and not (value.islower() and value.isalpha()):
        return True
    drawn = any(map(str.isdigit, value)) or (len(value) >= 16 and "_" not in value)
    return not _EXPRESSION.fullmatch(value) or ("." not in value and drawn)


def _links(text: bytes) -> Iterator[tuple[int, int, bytes, datetime | None]]:
    """Find links signed for S3, CloudFront, Google or Azure, and when they end."""
    for match in _LINK.finditer(text):
        said = {name.decode().lower(): value for name, value in _FIELD.findall(match[0])}
        names = ("x-amz-signature", "x-goog-signature", "signature", "sig")
        signature = next((said[name] for name in names if name in said), b"")
        if len(signature) >= 16:
            fields = {name: value.decode("ascii", "replace") for name, value in said.items()}
            ends = signed_link_ends_at(fields)
            yield match.start(), match.end(), unquote_to_bytes(signature), ends


def _entity(match: re.Match[bytes]) -> bytes:
    return html.unescape(match[0].decode("ascii")).encode(errors="replace").translate(_NO_BREAKS)


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]).translate(_NO_BREAKS)


_NO_BREAKS = bytes.maketrans(b"\r\n", b"  ")  # a find in a view has the line it has in the file
_READINGS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1b[", lambda text: re.sub(rb"\x1b\[[0-9;]{0,20}m", b"", text)),
    (b"</", lambda text: re.sub(rb"</?[A-Za-z!?][^<>\n]{0,4000}>", b"", text)),
    (b"&", lambda t: re.sub(rb"&(?:#\d{1,6}|#[xX][\da-fA-F]{1,5}|[A-Za-z]{2,12});", _entity, t)),
    (b'""', lambda text: text.replace(b'""', b'"')),  # CSV; a key in XML may have two in a row
    (b"\\", lambda text: re.sub(rb"\\(?:u00|x)([0-9a-fA-F]{2})", _byte,
                                text.replace(b"\\\\", b"\0")).replace(b"\0", b"\\\\")),
    (b"\\", lambda t: re.sub(rb"\\([nrt\"'/\\])", lambda m: b" " if m[1] in b"nrt" else m[1], t)),
    (b"%", lambda text: re.sub(rb"%([0-9a-fA-F]{2})", _byte, text)),
)  # fmt: skip

_WRITTEN = re.compile(rb'[\x1b\\&%]|""|</')  # the marks above


def _views(text: bytes) -> Iterator[bytes]:
    """Give a text as it is, then with one layer of writing after the other taken off."""
    yield text
    for mark, reading in _READINGS * 2 if _WRITTEN.search(text) else ():
        if mark in text and (read := reading(text)) != text:
            text = read
            yield text


class _Scan:
    """The search through parts of files, a window at a time."""

    def __init__(self, keys: SearchedKeys | None) -> None:
        self.keys = keys or SearchedKeys()
        self.now = datetime.now(UTC)
        self.dead = set[int]()

    def shown(self, name: str) -> str:
        """Make a name fit to print: no part of a secret, nothing that steers a terminal."""
        pieces = "".join(sign if sign.isprintable() else "?" for sign in name).split("/")
        shown = "/".join("***" if self.holds(piece) else piece for piece in pieces)
        return "***" if self.holds(shown) else shown

    def holds(self, text: str) -> bool:
        """Whether a text holds a secret, or a piece of a known key."""
        found = self.stream([text.encode(errors="replace")])
        return any(piece in text for piece in self.keys.pieces) or any(found)

    def stream(self, pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes, str]]:
        """Give the line, its beginning (never shown) and what was found in it."""
        first, tail, reported = 1, b"", set[tuple[int, str]]()
        for piece in itertools.chain(pieces, [None]):
            window = tail + (piece or b"")
            for line, begins, what in self.window(window, piece is None):
                if (first + line, what) not in reported:
                    reported.add((first + line, what))
                    yield first + line, begins, what
            cut = max(len(window) - OVERLAP_BYTES, 0)
            first, tail = first + window.count(b"\n", 0, cut), window[cut:]
            reported = {find for find in reported if find[0] >= first}

    def window(self, window: bytes, last: bool) -> Iterator[tuple[int, bytes, str]]:
        """Decode and judge the lines in which something can be."""
        line, counted, found = 0, 0, set[int]()
        marks = [mark for mark, *parts in self.keys.parts if any(part in window for part in parts)]
        for start, end in self.regions(window, marks):
            region = window[start:end]
            for view in _views(region):
                for at, what in self.finds(view, last or end < len(window)):
                    line, counted = line + window.count(b"\n", counted, start), start
                    if (further := view.count(b"\n", 0, at)) + line not in found:
                        found.add(further + line)
                        yield line + further, region.split(b"\n")[further][:40], what
        # base64 in lines, or a text in pieces in a JSON list
        if marks and not found:
            joined = window.replace(b"\\n", b"").translate(None, b" \t\r\n\"',\\")
            if any(form in joined for form in self.keys.forms):
                yield 0, b"", "the API key of this environment, over several lines from here"

    def regions(self, window: bytes, marks: list[bytes]) -> Iterator[tuple[int, int]]:
        """Give the lines near anything that may be a secret, no more than a link's length of it."""
        lower = window.lower()
        # to look for one sign costs next to nothing, for the literal half of all the patterns
        there = (each for each in _CANDIDATES if each[0][:1] in lower and each[0] in lower)
        searched = [(lower, further) for _, further in there]
        # a key without a letter or a digit has no mark: everything is searched
        searched += [(window, re.compile(re.escape(mark) or rb"(?s).{1,4000}")) for mark in marks]
        spans = sorted(match.span() for text, form in searched for match in form.finditer(text))
        begun = reached = -1
        for start, end in spans:
            low, high = max(start - REACH_BYTES, 0), min(end + REACH_BYTES, len(window))
            low = max(low, window.rfind(b"\n", low, start) + 1)
            stop = window.find(b"\n", end, high) if window[start] not in b"Pp" else end + 1000
            high = min(high, stop) if stop >= 0 else high
            if low > reached >= 0:
                yield begun, reached
            begun, reached = low if low > reached else begun, max(reached, high)
        if spans:
            yield begun, reached

    def finds(self, view: bytes, whole: bool) -> Iterator[tuple[int, str]]:
        """Give the place of each find; what touches an open end is left for the next window."""
        for form in self.keys.forms:
            at = view.find(form)
            while at >= 0:
                yield at, "the API key of this environment"
                at = view.find(form, at + len(form))
        for at, end, what in _named_keys(view, lower := view.lower()):
            if whole or end < len(view):
                yield at, what
        for at, end, signature, ends in _links(view) if b"sig" in lower else ():
            if not whole and end == len(view):
                continue
            if ends is None:
                yield at, "a signed link that does not say when it ends"
            elif ends > self.now:
                yield at, f"a signed link that opens until {ends:%Y-%m-%d %H:%M} UTC"
            elif len(self.dead) < MAX_DEAD_LINKS:
                self.dead.add(hash(signature))


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Walk in order of names; a link inside a folder is not followed."""
    for path in paths:
        if not path.is_dir():
            kind = "it is neither a file nor a folder" if path.exists() else "there is no such file"
            yield path, "" if path.is_file() else kind
            continue
        refused: list[OSError] = []
        for directory, folders, names in os.walk(path, onerror=refused.append):
            folders[:] = sorted(
                name for name in folders
                if name not in SKIPPED_FOLDERS and not Path(directory, name, "pyvenv.cfg").is_file()
            )  # fmt: skip
            inside = (Path(directory, name) for name in sorted(names))
            yield from ((path, "") for path in inside if path.is_file() and not path.is_symlink())
        yield from ((Path(error.filename), reason(error)) for error in refused)


def check_files(paths: Iterable[Path], keys: SearchedKeys | None) -> Checked:
    r"""
    Search files, and folders with everything in them, for keys and live links.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "notes.txt").write_text("well\nx-api-key: " + "9f86d081" * 4)
    ...     checked = check_files([Path(folder)], None)
    >>> [line.rsplit("/", 1)[1] for line in checked.leaks], checked.files
    (['notes.txt: line 2: a value behind x-api-key'], 1)
    """
    scan, checked, searched = _Scan(keys), Checked([], [], 0, 0), 0
    for path, why in _files(paths):
        name = scan.shown(str(path))
        if why:
            checked.unread.append(f"{name}: {why}")
            continue
        searched += 1
        if scan.holds(str(path)):
            checked.leaks.append(f"{name}: its name")
        # a list, so that the bound on memory is gone when the file is done
        finds = list(itertools.islice(_finds(path, scan), MAX_FINDS + 1))
        for leaked, place, what in finds[:MAX_FINDS]:
            line = ": ".join(filter(None, [name, scan.shown(place.rstrip(", ")), what]))
            (checked.leaks if leaked else checked.unread).append(line)
        if len(finds) > MAX_FINDS:
            checked.leaks.append(f"{name}: and perhaps more; the rest was not searched")
    return checked._replace(files=searched, dead_links=len(scan.dead))


def _finds(path: Path, scan: _Scan) -> Iterator[tuple[bool, str, str]]:
    with closing(parts_of(path)) as parts:
        for part in parts:
            if part.why:
                yield False, part.place, part.why
            try:
                for line, begins, what in scan.stream(part.pieces):
                    cell = re.match(rb'<c r="([A-Z]{1,3}[0-9]{1,7})"', begins)
                    at = f"line {line:,}" if part.numbered else ""
                    yield True, part.place + (f"cell {cell[1].decode()}" if cell else at), what
            except Exception as cause:  # noqa: BLE001 - the other parts are searched
                yield False, part.place, reason(cause)
