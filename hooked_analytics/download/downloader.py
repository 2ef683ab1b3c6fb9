"""
Files over HTTP, without key, cookies, netrc or blind redirects, and the links that are followed.

By hand, because no library that is kept up resumes with ``Range`` and ``If-Range`` and takes a
fresh link in between (pooch 1.9 begins anew), or lets every address be checked before the
connection. Every redirect is checked like the first link; no message and no log shows a link.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from hooked_analytics import __version__
from hooked_analytics._internal.net import (
    WebAddress,
    ip_address,
    is_loopback,
    is_public,
    open_pool,
    signed_link_ends_at,
    timed_connections,
    web_address,
)
from hooked_analytics.client import Cancelled
from hooked_analytics.client.retry import retry_after_seconds
from hooked_analytics.client.transport import CONNECT_SECONDS, failure_reason, is_timeout
from hooked_analytics.download.tasks import DownloadError, fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# So much must arrive in every stretch of `timeout_seconds`, or the connection is given up.
MIN_BYTES = 64 * 1024
MAX_REDIRECTS = 3
_SLICE_SECONDS = 0.2  # how often reading looks at the stop event
# Carries the signature of a link past urllib3's debug log, which prints the path it is given.
_QUERY_HEADER = "x-hooked-query"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({408, 425, 429})
_NO_RETRIES = urllib3.Retry(False, redirect=False)
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a file is taken as it is, never unpacked
    "User-Agent": f"hooked-analytics/{__version__}",
}
# status -> error, and what is said of the host; S3 says 400 where its credentials have ended
_REFUSALS = {
    **dict.fromkeys((400, 401, 403), ("forbidden", "refuses the link")),
    **dict.fromkeys((404, 410), ("not_found", "has no such file any more")),
    429: ("rate_limited", "had too many requests"),
}

# Where a link that somebody handed over is followed to: Hooked's hosts and its own bucket.
# Other buckets of the same store may belong to anyone.
_HOOKED = re.compile(
    r"(?:[^/]+\.)?hooked\.so/.*|s3\.amazonaws\.com/hooked-videos/.*"
    r"|hooked-videos\.s3(?:\.[a-z]{2}(?:-[a-z]+){1,3}-\d)?\.amazonaws\.com/.*",
    re.ASCII | re.DOTALL,
)
_LINK_LIFE = timedelta(hours=24)
_LAST_MINUTE = timedelta(seconds=60)
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", re.ASCII)
_INTRANET = frozenset({"internal", "local", "localhost"})


class Link(NamedTuple):
    """A link that may be followed, in parts."""

    origin: str
    host: str
    path: str
    query: str  # with its question mark: the signature, a secret
    is_loopback: bool  # must lead to this machine; all others must not
    is_fresh: bool

    @property
    def place(self) -> str:
        """Where it points, without what is secret."""
        return self.origin + self.path


class LinkRules:
    """
    Decide which links are followed.

    *allowed_hosts* are the only hosts for every link; without any, a fresh link may lead to
    any public host, and a link handed over to Hooked's own. Where the API itself is local, on
    this machine, its links may be too.
    """

    def __init__(self, allowed_hosts: Iterable[str], *, is_local: bool) -> None:
        if isinstance(allowed_hosts, str) or not isinstance(allowed_hosts, Iterable):
            raise TypeError("allowed_hosts is a list of hosts, such as ['cdn.example.com']")
        self._allowed = [str(host).strip().lower() for host in allowed_hosts]
        for host in self._allowed:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host; write 'cdn.example.com', '*.example.com'")
        self._is_local = is_local

    def check(self, url: str, *, is_fresh: bool) -> Link:
        """Take a link apart; fresh is one that the API gave in this call, or where that leads."""
        address = web_address(url)
        if address is None:
            fail("link_refused", "the link is no plain web address")
        scheme, host, port, path, query = address
        local = is_loopback(host)
        last = host.rpartition(".")[2]
        is_name = "." in host and last[:1].isalpha() and last not in _INTRANET
        if not local and not is_public(host) and (ip_address(host) or not is_name):
            fail("link_refused", f"{host} is no public host, which no allowed_hosts changes")
        if scheme == "http" and not local:
            fail("link_refused", f"the link to {host} is plain http; only https is followed")
        if not self._is_allowed(address, is_fresh=is_fresh):
            whose = "in allowed_hosts" if self._allowed else "one of Hooked's hosts"
            fail(
                "link_refused",
                f"the link leads to {host}, which is not {whose}; "
                f"if you trust it: allowed_hosts=[{host!r}]",
            )
        shown = f"[{host}]" if ":" in host else host
        signature = f"?{query}" if query else ""
        return Link(f"{scheme}://{shown}:{port}", host, path, signature, local, is_fresh)

    def _is_allowed(self, address: WebAddress, *, is_fresh: bool) -> bool:
        host = address.host
        if self._allowed:
            return any(
                host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
                for allowed in self._allowed
            )
        if is_loopback(host):
            return self._is_local
        ours = _HOOKED.fullmatch(host + address.path) is not None
        return is_fresh or (ours and not address.climbs)


def ends_soon(url: str, fetched_at: datetime | None) -> bool:
    """Whether a signed link has a minute left or less: by its own words, or 24 h after fetching."""
    query = parse_qs(url.partition("?")[2], max_num_fields=50) if len(url) < 10_000 else {}
    ends = [signed_link_ends_at({name.lower(): values[0] for name, values in query.items()})]
    if fetched_at and query:
        ends.append(fetched_at + _LINK_LIFE)
    return any(end is not None and datetime.now(UTC) >= end - _LAST_MINUTE for end in ends)


class StretchClock:
    """Give an answer of any length time, as long as enough of it arrives in every stretch."""

    def __init__(self, stop: threading.Event, stretch_seconds: float) -> None:
        self._stop, self._stretch_seconds = stop, stretch_seconds
        self._until, self._arrived = time.monotonic() + stretch_seconds, 0

    def seconds_left(self) -> float:
        """Time until the stop event is looked at again."""
        if self._stop.is_set():
            raise Cancelled
        now = time.monotonic()
        if now >= self._until:
            if self._arrived < MIN_BYTES:
                raise TimeoutError("too little arrived")
            self._until, self._arrived = now + self._stretch_seconds, 0
        return min(_SLICE_SECONDS, self._until - now)

    def arrived(self, size: int) -> None:
        """Count what came in this stretch."""
        self._arrived += size


def _file_connections(connection_class: Any, loopback: bool | None) -> Any:
    """Make urllib3 connections that go to checked addresses only."""

    class FileConnection(connection_class):  # type: ignore[misc]
        host: Any  # where to connect; its setter is urllib3's

        def _new_conn(self) -> Any:
            if loopback is None:  # behind a proxy, which looks names up itself
                return super()._new_conn()
            name = self.host
            failed: Exception = urllib3.exceptions.NewConnectionError(self, "no address")
            try:
                for address in _checked_addresses(name, self.port, loopback=loopback):
                    self.host = address
                    try:
                        return super()._new_conn()
                    except urllib3.exceptions.HTTPError as error:
                        failed = error
            except (OSError, UnicodeError) as error:
                # its own text is made of the name alone
                failed = urllib3.exceptions.NewConnectionError(self, str(error))
            finally:
                self.host = name
            raise failed from None

        def request(self, method: str, url: str, *rest: Any, headers: Any, **more: Any) -> None:
            plain = dict(headers)
            url += plain.pop(_QUERY_HEADER, "")
            super().request(method, url, *rest, headers=plain, **more)

    return FileConnection


def _checked_addresses(name: str, port: int, *, loopback: bool) -> list[str]:
    """Look a name up once; what is connected to is what was checked."""
    found = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not (is_loopback(address) if loopback else is_public(address)):
            fail(
                "link_refused",
                f"{name} leads into a private network ({address}), which no allowed_hosts changes",
            )
    return addresses


class HTTPDownloader:
    """Request files from hosts within *rules*, until *stop*; safe to share between threads."""

    def __init__(
        self, rules: LinkRules, stop: threading.Event, *, stretch_seconds: float, connections: int
    ) -> None:
        self._rules = rules
        self._stop = stop
        self._stretch_seconds = stretch_seconds
        self._adapter = HTTPAdapter(pool_connections=64, pool_maxsize=connections)
        self._pools: dict[str, Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every idle connection."""
        self._adapter.close()

    @contextlib.contextmanager
    def get(self, link: Link, headers: Mapping[str, str]) -> Iterator[Any]:
        """Request a file and hand out the open answer: 200, 206 or 416."""
        raw: Any = None
        try:
            raw = self._followed(link, headers)
            yield raw
        except (urllib3.exceptions.HTTPError, requests.RequestException) as error:
            if is_timeout(error):
                stretch = f"{self._stretch_seconds:.3g} s"
                said = f"{link.host} sent too little for {stretch}; call again to resume"
                fail("timeout", said, retryable=True)
            fail("network", failure_reason(error, link.host), retryable=True)
        finally:
            if raw is not None:
                raw.close()

    def _followed(self, link: Link, headers: Mapping[str, str]) -> Any:
        for _ in range(MAX_REDIRECTS + 1):
            raw = self._send(link, headers)
            if raw.status not in _REDIRECTS:
                break
            raw.close()
            try:
                to = urljoin(f"{link.place}{link.query}", raw.headers.get("Location") or "")
            except ValueError:
                to = ""
            # judged as a link that was given to us; it is never quoted
            link = self._rules.check(to, is_fresh=link.is_fresh)
        else:
            fail("link_refused", f"the link was passed on more than {MAX_REDIRECTS} times")
        if raw.status in {200, 206, 416}:
            return raw
        raw.close()
        failed = ("server", "failed") if raw.status >= 500 else ("bad_response", "gave no file")
        kind, said = _REFUSALS.get(raw.status, failed)
        raise DownloadError(
            kind,
            f"{link.host} {said} (HTTP {raw.status})",
            retryable=raw.status in _RETRIED or raw.status >= 500,
            retry_after_seconds=retry_after_seconds(raw.headers.get("Retry-After")) or 0.0,
        )

    def _send(self, link: Link, headers: Mapping[str, str]) -> Any:
        return self._pool(link).urlopen(
            "GET",
            link.path,
            headers={**_HEADERS, **headers, _QUERY_HEADER: link.query},
            timeout=urllib3.Timeout(
                connect=min(CONNECT_SECONDS, self._stretch_seconds), read=self._stretch_seconds
            ),
            retries=_NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )

    def _pool(self, link: Link) -> Any:
        with self._lock:
            if link.origin not in self._pools:
                self._pools[link.origin] = self._new_pool(link)
            return self._pools[link.origin]

    def _new_pool(self, link: Link) -> Any:
        # plain http is for this machine, which no proxy can reach
        try:
            pool = open_pool(self._adapter, f"{link.origin}/", direct=link.is_loopback)
        except ValueError as error:
            fail("network", str(error))
        loopback = link.is_loopback if pool.proxy is None else None
        timed = timed_connections(
            pool.ConnectionCls, lambda _: StretchClock(self._stop, self._stretch_seconds)
        )
        pool.ConnectionCls = _file_connections(timed, loopback)
        return pool
