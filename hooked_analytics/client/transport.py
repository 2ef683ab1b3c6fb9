"""
One request out, one bounded answer in.

A prepared copy goes straight to requests' ``HTTPAdapter``. That skips the session's cookie
jar, redirects, netrc and per-request reading of the environment: half the CPU, and four ways
less for a key to travel. Proxies and certificates are resolved once, by requests' own rules.
"""

from __future__ import annotations

import contextlib
import copy
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from hooked_analytics._version import __version__
from hooked_analytics.errors import BadResponseError, HookedError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hooked_analytics.client.key import ApiKey

CONNECT_SECONDS = 5.0
LARGEST_BODY_BYTES = 5 * 1024 * 1024
_SLICE_BYTES = 64 * 1024
# HTTP dates are whole seconds: a difference up to this is rounding, not a wrong clock.
_DATE_ROUNDING = timedelta(seconds=1.5)

_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError)
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class Reply(NamedTuple):
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
        self._adapter = _OneOriginAdapter(
            pool_connections=1, pool_maxsize=connections, max_retries=0
        )
        with requests.Session() as session:
            self._settings: dict[str, Any] = {
                **session.merge_environment_settings(base_url, {}, True, None, None)
            }
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"hooked-analytics/{__version__}",
        }
        self._prepared = requests.Request("GET", base_url).prepare()
        self._dates = _ServerClock()

    def close(self) -> None:
        """Close every idle connection."""
        self._adapter.close()

    def get(self, path: str, *, video_id: str | None, seconds: float) -> Reply:
        """
        Ask once.

        Parameters
        ----------
        path : what follows the base URL, already quoted
        video_id : whom an error is about
        seconds : limit for the whole answer, and for every silence within it [s]

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
        if isinstance(outcome, Reply):
            return outcome
        if isinstance(outcome, HookedError):
            raise outcome
        raise outcome.with_traceback(None)

    def _exchange(
        self, path: str, video_id: str | None, seconds: float
    ) -> Reply | HookedError | BaseException:
        request = copy.copy(self._prepared)
        request.url = self._base_url + path
        request.headers = {**self._headers, **self._key.header()}  # type: ignore[assignment]
        what = video_id or path.partition("?")[0]
        started, began = time.monotonic(), datetime.now(UTC)
        try:
            response = self._adapter.send(
                request, timeout=(min(CONNECT_SECONDS, seconds), seconds), **self._settings
            )
            with contextlib.closing(response.raw):
                body = _read(response.raw, deadline=started + seconds)
        except _TooLarge:
            return BadResponseError(
                f"{what}: the answer is larger than {LARGEST_BODY_BYTES:,} bytes, "
                "so it is no Hooked answer",
                video_id=video_id,
            )
        except (_TooSlow, *_TIMEOUTS):
            return NetworkError.timeout(
                f"{what}: no full answer within {seconds:.3g} s; ask again later",
                video_id=video_id,
            )
        except _BROKEN as error:
            return NetworkError(_why(error, what, request.url), video_id=video_id)
        except BaseException as stop:  # noqa: BLE001 - an interrupt, raised on without its frames
            return stop
        seen_at, clock = self._dates.seen_at(response.headers.get("Date"), began, datetime.now(UTC))
        return Reply(response.status_code, response.headers, body, seen_at, clock)


class _OneOriginAdapter(HTTPAdapter):
    """
    An adapter that talks to one origin with one setting for proxies and certificates.

    So the connection pool is looked up once, and an answer is handed on without the cookies
    and the guessed text encoding that nobody here reads: a fifth of the CPU of a request.
    """

    _pool: Any = None

    def get_connection_with_tls_context(self, *arguments: Any, **settings: Any) -> Any:
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*arguments, **settings)
        return self._pool

    def build_response(self, req: Any, resp: Any) -> requests.Response:  # noqa: ARG002
        response = requests.Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        return response

    def close(self) -> None:
        self._pool = None
        super().close()


class _TooLarge(Exception):  # noqa: N818
    pass


class _TooSlow(Exception):  # noqa: N818
    pass


def _read(raw: Any, *, deadline: float) -> bytes:
    """Read a body slice by slice, under a cap on decoded bytes and a limit in time."""
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read1(_SLICE_BYTES, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_BODY_BYTES:
            raise _TooLarge
        if time.monotonic() > deadline:
            raise _TooSlow
    return b"".join(pieces)


def _why(error: BaseException, what: str, url: str | None) -> str:
    """Name the kind of failure without its text, which may quote the whole request."""
    host = urlsplit(url or "").netloc
    if isinstance(error, requests.exceptions.SSLError):
        return f"{what}: the certificate of {host} was not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"{what}: the proxy on the way to {host} did not answer"
    if isinstance(error, requests.ConnectionError) and "refused" in str(error):
        return f"{what}: nothing answers at {host}"
    return f"{what}: the connection to {host} broke before the answer was complete"


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
