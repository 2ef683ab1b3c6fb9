"""
One request out, one bounded answer in.

Proxies, certificates and the connection pool are worked out once, by requests and its
``HTTPAdapter``; then every request goes straight to that pool. That skips the session's
cookie jar, redirects, netrc and the reading of the environment for each request: less than
half the CPU, and four ways less for a key to travel.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from hooked_analytics import __version__
from hooked_analytics._internal.deadline import with_deadline
from hooked_analytics.errors import BadResponseError, HookedError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hooked_analytics.client.key import ApiKey

CONNECT_SECONDS = 5.0
# Many at once must not fill the memory: sixteen workers with a bomb each stay below 50 MB.
MAX_VIDEO_BYTES = 2 * 1024 * 1024
MAX_PAGE_BYTES = 5 * 1024 * 1024
_SLICE_BYTES = 64 * 1024
_NO_RETRIES = urllib3.Retry(False, redirect=False)  # retries live in one layer, not in this one
# HTTP dates are whole seconds: a difference up to this is rounding, not a wrong clock.
_DATE_ROUNDING = timedelta(seconds=1.5)


class Response(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seen_at: datetime
    clock: str  # "server", or "local" when the answer carried no date


class Transport:
    """
    Send GET requests to one origin, with the key, and nothing anywhere else.

    Parameters
    ----------
    base_url : scheme, host, port and perhaps a path
    key : goes into the headers last
    connections : most connections kept open
    """

    def __init__(self, base_url: str, key: ApiKey, *, connections: int) -> None:
        self._base_url = base_url
        self._key = key
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"hooked-analytics/{__version__}",
        }
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._dates = _ServerClock()
        self._open()

    def _open(self) -> None:
        """Have requests work out proxies and certificates, once, and keep the pool it makes."""
        base = requests.Request("GET", self._base_url).prepare()
        with requests.Session() as session:
            settings = session.merge_environment_settings(self._base_url, {}, True, None, None)
        verify, cert, proxies = settings["verify"], settings["cert"], settings["proxies"]
        # requests has no types for what it hands out here
        adapter: Any = self._adapter
        self._pool: Any = adapter.get_connection_with_tls_context(
            base, verify=verify, proxies=proxies, cert=cert
        )
        adapter.cert_verify(self._pool, self._base_url, verify, cert)
        self._pool.ConnectionCls = with_deadline(self._pool.ConnectionCls)
        # a proxy for plain http is asked with the whole address, everyone else with the path
        asked = self._adapter.request_url(base, proxies)
        whole = asked.startswith("http")
        self._prefix = self._base_url if whole else urlsplit(self._base_url).path

    def close(self) -> None:
        """Close every idle connection."""
        self._adapter.close()
        self._open()

    def get(self, path: str, *, video_id: str | None, seconds: float) -> Response:
        """
        Ask once.

        Parameters
        ----------
        path : what follows the base URL, already quoted
        video_id : whom an error is about
        seconds : limit for connecting and sending, then for the whole answer [s]

        Raises
        ------
        NetworkError
            No answer, or not all of it.
        BadResponseError
            The answer is larger than any Hooked answer.
        """
        # Failures come back as values and are raised here, where no frame holds a header:
        # neither a chained exception nor a traceback with locals can show the key.
        outcome = self._exchange(path, video_id, seconds)
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, HookedError):
            raise outcome
        raise outcome.with_traceback(None)

    def _exchange(
        self, path: str, video_id: str | None, seconds: float
    ) -> Response | HookedError | BaseException:
        who = video_id or "the list"
        largest = MAX_VIDEO_BYTES if video_id else MAX_PAGE_BYTES
        began = datetime.now(UTC)
        try:
            raw = self._pool.urlopen(
                "GET",
                self._prefix + path,
                headers={**self._headers, **self._key.header()},
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
            )
            body = _read(raw, largest)
        except _TooLarge:
            return BadResponseError(
                f"{who}: the answer is larger than {largest:,} bytes, so it is no Hooked answer",
                video_id=video_id,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if is_timeout(error):
                return NetworkError.timeout(
                    f"{who}: no full answer within {seconds:.3g} s; ask again later",
                    video_id=video_id,
                )
            reason = failure_reason(error, urlsplit(self._base_url).netloc)
            return NetworkError(f"{who}: {reason}", video_id=video_id)
        except BaseException as stop:  # noqa: BLE001 - an interrupt, raised on without its frames
            return stop
        seen_at, clock = self._dates.seen_at(raw.headers.get("Date"), began, datetime.now(UTC))
        return Response(raw.status, raw.headers, body, seen_at, clock)


class _TooLarge(Exception):  # noqa: N818
    pass


def _read(raw: Any, largest: int) -> bytes:
    """Read a body slice by slice, under a cap on decoded bytes."""
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := raw.read1(_SLICE_BYTES, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > largest:
                raise _TooLarge
    except BaseException:
        raw.close()  # a connection with half an answer in it is not used again
        raise
    return b"".join(pieces)


# kind of failure, how it is said
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (urllib3.exceptions.ProxyError, "the proxy on the way to {host} did not answer"),
    (urllib3.exceptions.SSLError, "the certificate of {host} was not accepted"),
    (urllib3.exceptions.NameResolutionError, "no address is known for {host}"),
    (urllib3.exceptions.NewConnectionError, "nothing answers at {host}"),
    (Exception, "the connection to {host} broke before the answer was complete"),
)


def is_timeout(error: Exception) -> bool:
    """Whether time ran out, rather than the connection broke or was never made."""
    # urllib3 calls a refused connection a kind of timeout, for old times' sake
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, urllib3.exceptions.TimeoutError) and not refused


def failure_reason(error: Exception, host: str) -> str:
    """Say what kind of failure it is; the error's own text may quote a whole request."""
    return next(reason for kind, reason in _REASONS if isinstance(error, kind)).format(host=host)


class _ServerClock:
    """Tell when an answer was made, by the server's own clock where it says so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[str, datetime] | None = None

    def seen_at(self, date: str | None, began: datetime, ended: datetime) -> tuple[datetime, str]:
        middle = began + (ended - began) / 2
        if date is None:
            return middle, "local"
        with self._lock:
            if self._last is None or self._last[0] != date:
                try:
                    stated = parsedate_to_datetime(date)
                except (ValueError, TypeError):
                    return middle, "local"
                stated = stated if stated.tzinfo else stated.replace(tzinfo=UTC)
                self._last = (date, stated.astimezone(UTC) + timedelta(seconds=0.5))
            server = self._last[1]
        return (server if abs(server - middle) > _DATE_ROUNDING else middle), "server"
