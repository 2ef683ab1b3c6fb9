"""
One request out, one bounded response in.

Proxies, certificates and the connection pool are worked out once, by requests and its
``HTTPAdapter``; then every request goes straight to that pool. That skips the session's
cookie jar, redirects, netrc and the reading of the environment for each request: less than
half the CPU, and four ways less for a key to travel.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
from requests.adapters import HTTPAdapter

from hooked_analytics import __version__
from hooked_analytics._internal.net import (
    Deadline,
    http_date,
    is_loopback,
    open_pool,
    timed_connections,
)
from hooked_analytics.errors import BadResponseError, HookedError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hooked_analytics._internal.secret import SecretStr

CONNECT_SECONDS = 5.0
# Many at once must not fill the memory: sixteen workers with a bomb each stay below 50 MB.
MAX_VIDEO_BYTES = 2 * 1024 * 1024
MAX_PAGE_BYTES = 5 * 1024 * 1024
_SLICE_BYTES = 64 * 1024
_NO_RETRIES = urllib3.Retry(False, redirect=False)  # retries live in one layer, not in this one
# HTTP dates are whole seconds: a difference up to this is rounding, not a wrong clock.
_DATE_ROUNDING = timedelta(seconds=1.5)
_POSSIBLE_YEARS = range(2000, 2200)
_KEYLESS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"hooked-analytics/{__version__}",
}

_URLLIB3: str = vars(urllib3)["__version__"]
if re.search(r"\.9\d\d$", _URLLIB3):
    raise ImportError(
        f"urllib3 {_URLLIB3} is urllib3-future, which the package niquests installs "
        "in place of urllib3. hooked_analytics needs urllib3 itself: use an environment without "
        "niquests (pip uninstall niquests urllib3-future; pip install --force-reinstall urllib3)."
    )


class HTTPResponse(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seen_at: datetime
    flags: tuple[str, ...] = ()  # "local_clock" when the response carried no date


class Transport:
    """Send GET requests to one origin, with the key, and nothing anywhere else."""

    def __init__(self, base_url: str, key: SecretStr, *, connections: int) -> None:
        self._base_url = base_url
        self._key = key
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._last_date: tuple[str | None, datetime | None] = (None, None)
        self._open()

    def _open(self) -> None:
        """Have requests work out proxies and certificates, once, and keep the pool it makes."""
        parts = urlsplit(self._base_url)
        # Plain http is for this machine, and what runs on this machine no proxy can reach: one
        # would read the key, or answer in the server's place.
        direct = parts.scheme == "http" or is_loopback(parts.hostname or "")
        self._pool = open_pool(self._adapter, self._base_url, direct=direct)
        self._pool.ConnectionCls = timed_connections(
            self._pool.ConnectionCls, lambda connection: Deadline(connection.timeout)
        )

    def close(self) -> None:
        """Close every idle connection."""
        self._adapter.close()
        self._open()

    def get(self, path: str, *, video_id: str | None, seconds: float) -> HTTPResponse:
        """Send one request and read its response, whatever its status, in so many *seconds*."""
        # Failures come back as values and are raised here, where no frame holds a header:
        # neither a chained exception nor a traceback with locals can show the key.
        outcome = self._exchange(path, video_id, seconds)
        if isinstance(outcome, HTTPResponse):
            return outcome
        if isinstance(outcome, HookedError):
            raise outcome
        raise outcome.with_traceback(None)

    def _exchange(
        self, path: str, video_id: str | None, seconds: float
    ) -> HTTPResponse | HookedError | BaseException:
        who = video_id or "the list"
        largest = MAX_VIDEO_BYTES if video_id else MAX_PAGE_BYTES
        began = datetime.now(UTC)
        try:
            raw = self._pool.urlopen(
                "GET",
                urlsplit(self._base_url).path + path,
                headers={**_KEYLESS, "x-api-key": self._key.reveal()},
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
            )
            body = self._key.blot_out(_read(raw, largest))  # it may be quoted when it is refused
            middle = began + (datetime.now(UTC) - began) / 2
            server = self._server_time(raw.headers.get("Date"), middle)
            flags = ("local_clock",) if server is None else ()
            return HTTPResponse(raw.status, raw.headers, body, server or middle, flags)
        except _TooLarge:
            return BadResponseError(
                f"{who}: the response is larger than {largest:,} bytes, so it is not Hooked's",
                video_id=video_id,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if is_timeout(error):
                return NetworkError.timeout(
                    f"{who}: no full response within {seconds:.3g} s; try again later",
                    video_id=video_id,
                )
            reason = failure_reason(error, urlsplit(self._base_url).netloc)
            return NetworkError(f"{who}: {reason}", video_id=video_id)
        except Exception as error:  # noqa: BLE001 - whatever a response holds, it is one row
            return BadResponseError(
                f"{who}: the response could not be read ({type(error).__name__})",
                video_id=video_id,
            )
        except BaseException as stop:  # noqa: BLE001 - an interrupt, raised on without its frames
            return stop

    def _server_time(self, date: str | None, middle: datetime) -> datetime | None:
        """Tell when a response was made, by the server's own clock where it says so."""
        header, moment = self._last_date
        if header != date:  # many responses come within one second
            moment = http_date(date)
            if moment is None or moment.year not in _POSSIBLE_YEARS:
                moment = None
            self._last_date = (date, moment)
        if moment is None:
            return None
        moment += timedelta(seconds=0.5)
        return moment if abs(moment - middle) > _DATE_ROUNDING else middle


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
        raw.close()  # a connection with half a response in it is not used again
        raise
    return b"".join(pieces)


# kind of failure, and how it is said
_REASONS: dict[type[Exception], str] = {
    urllib3.exceptions.ProxyError: "the proxy on the way to {host} refused, or did not answer; see "
    "HTTPS_PROXY",
    urllib3.exceptions.SSLError: "the certificate of {host} was not accepted; if your network has "
    "one of its own, name its file in REQUESTS_CA_BUNDLE",
    urllib3.exceptions.NameResolutionError: "no address is known for {host}",
    urllib3.exceptions.NewConnectionError: "nothing answers at {host}",
    Exception: "the connection to {host} broke before the response was complete",
}


def is_timeout(error: Exception) -> bool:
    """Whether time ran out, rather than the connection broke or was never made."""
    # urllib3 calls a refused connection a kind of timeout, for old times' sake
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    return isinstance(error, urllib3.exceptions.TimeoutError) and not refused


def failure_reason(error: Exception, host: str) -> str:
    """Say what kind of failure it is; the error's own text may quote a whole request."""
    if getattr(error.args[0] if error.args else None, "reason", None) == "WRONG_VERSION_NUMBER":
        return f"{host} does not speak https"
    return next(reason for kind, reason in _REASONS.items() if isinstance(error, kind)).format(
        host=host
    )
