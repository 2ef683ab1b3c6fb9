"""
Files over HTTP: a transport of their own, without key, cookies, netrc or blind redirects.

By hand, because no library that is kept up resumes with ``Range`` and ``If-Range`` and takes a
fresh link in between (pooch 1.9 begins anew), or lets every address be checked before the
connection. Proxies and certificates are worked out by requests, as for the API. Every redirect
is checked like the first link, and a link is shown in no message and no log.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from hooked_analytics import __version__
from hooked_analytics._internal.deadline import timed_response
from hooked_analytics._internal.net import is_loopback, is_public, open_pool
from hooked_analytics.client import Cancelled
from hooked_analytics.client.retry import retry_after_seconds
from hooked_analytics.client.transport import CONNECT_SECONDS, failure_reason, is_timeout
from hooked_analytics.download.tasks import DownloadError, fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hooked_analytics.download.links import Link, LinkRules

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


def _file_connection(
    connection_class: Any, stop: threading.Event, stretch_seconds: float, loopback: bool | None
) -> Any:
    """Make urllib3 connections that go to checked addresses only and keep to a `StretchClock`."""

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

        def getresponse(self) -> Any:
            self.response_class = timed_response(StretchClock(stop, stretch_seconds))
            return super().getresponse()

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
        pool = open_pool(self._adapter, f"{link.origin}/", direct=link.is_loopback)
        loopback = link.is_loopback if pool.proxy is None else None
        pool.ConnectionCls = _file_connection(
            pool.ConnectionCls, self._stop, self._stretch_seconds, loopback
        )
        return pool
