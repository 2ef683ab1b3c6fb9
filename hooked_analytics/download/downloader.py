"""
Files from links: a transport of their own, without key, cookies, netrc or blind redirects.

Proxies and certificates are worked out by requests, as for the API. Every redirect is checked
like the first link, and a link is shown in no message and no log.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from hooked_analytics._version import __version__
from hooked_analytics.client.retry import retry_after_seconds
from hooked_analytics.client.transport import CONNECT_SECONDS, failure_reason, is_timeout
from hooked_analytics.download.connection import QUERY_HEADER, AddressRefused, for_files
from hooked_analytics.download.failure import DownloadFailed, LinkDied, fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hooked_analytics.download.links import Link, LinkRules

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({408, 425, 429})
_NO_RETRIES = urllib3.Retry(False, redirect=False)
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a file is taken as it is, never unpacked
    "User-Agent": f"hooked-analytics/{__version__}",
}
# S3 says 400 where the credentials behind a signature have ended
_LINK_DIED = frozenset({400, 401, 403})


class Courier:
    """
    Ask for files; safe to share between threads.

    Parameters
    ----------
    rules : which links are followed
    stop : ends every wait
    stretch_seconds : in every such time 64 KiB must arrive [s]
    connections : most kept open to one host
    """

    def __init__(
        self, rules: LinkRules, stop: threading.Event, *, stretch_seconds: float, connections: int
    ) -> None:
        self._rules = rules
        self._stop = stop
        self._stretch_seconds = stretch_seconds
        self._adapter = HTTPAdapter(pool_connections=64, pool_maxsize=connections)
        self._pools: dict[tuple[str, str, int], Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every idle connection."""
        self._adapter.close()

    @contextlib.contextmanager
    def get(self, link: Link, headers: Mapping[str, str]) -> Iterator[Any]:
        """
        Ask for a file and hand out the open answer: 200, 206 or 416.

        Raises
        ------
        LinkDied
            The link is no longer accepted.
        DownloadFailed
            Any other end, also while the answer is read.
        """
        raw: Any = None
        try:
            raw = self._followed(link, headers)
            yield raw
        except AddressRefused as refused:
            fail("link_refused", f"{link.host} leads into a private network ({refused})")
        except (urllib3.exceptions.HTTPError, requests.RequestException) as error:
            if is_timeout(error):
                fail(
                    "timeout",
                    f"{link.host} sent too little for {self._stretch_seconds:.3g} s; "
                    "ask again to go on from there",
                    retryable=True,
                )
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
            to = raw.headers.get("Location") or ""
            # joined and judged as a link that was given to us; it is never quoted
            link = self._rules.check(urljoin(f"{link.place}{link.query}", to))
        else:
            fail("link_refused", f"the link was passed on more than {MAX_REDIRECTS} times")
        if raw.status in {200, 206, 416}:
            return raw
        raw.close()
        raise _refusal(raw.status, link.host, raw.headers.get("Retry-After"))

    def _send(self, link: Link, headers: Mapping[str, str]) -> Any:
        return self._pool(link).urlopen(
            "GET",
            link.path,
            headers={**_HEADERS, **headers, QUERY_HEADER: link.query},
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
        origin = (link.scheme, link.host, link.port)
        with self._lock:
            if origin not in self._pools:
                self._pools[origin] = self._new_pool(link)
            return self._pools[origin]

    def _new_pool(self, link: Link) -> Any:
        host = f"[{link.host}]" if ":" in link.host else link.host
        base = f"{link.scheme}://{host}:{link.port}/"
        with requests.Session() as session:
            settings = session.merge_environment_settings(base, {}, True, None, None)
        adapter: Any = self._adapter  # requests has no types for what it hands out here
        pool = adapter.get_connection_with_tls_context(
            requests.Request("GET", base).prepare(),
            verify=settings["verify"],
            # plain http is for this machine, which no proxy can reach
            proxies={} if link.loopback else settings["proxies"],
            cert=settings["cert"],
        )
        adapter.cert_verify(pool, base, settings["verify"], settings["cert"])
        pool.ConnectionCls = for_files(
            pool.ConnectionCls,
            stop=self._stop,
            stretch_seconds=self._stretch_seconds,
            loopback=link.loopback if pool.proxy is None else None,
        )
        return pool


def _refusal(status: int, host: str, retry_after: str | None) -> DownloadFailed:
    """Say what an answer without a file means."""
    if status in _LINK_DIED:
        return LinkDied("forbidden", f"{host} refuses the link (HTTP {status})")
    if status in {404, 410}:
        return DownloadFailed("not_found", f"{host} has no such file any more (HTTP {status})")
    if status == 429:
        kind, said = "rate_limited", "had too many requests"
    elif status >= 500:
        kind, said = "server", "failed"
    else:
        kind, said = "bad_response", "gave no file"
    return DownloadFailed(
        kind,
        f"{host} {said} (HTTP {status})",
        retryable=status in _RETRIED or status >= 500,
        retry_after_seconds=retry_after_seconds(retry_after),
    )
