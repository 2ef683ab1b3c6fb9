"""
Web addresses and hosts, dates in headers, when a signed link ends, and urllib3's connections.

Answers are read against a clock: a socket's timeout starts anew with every byte, so a server that
drips could hold a request for ever. Here every read gets only what its clock has left.
"""

from __future__ import annotations

import base64
import http.client
import io
import ipaddress
import json
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# One reading of an address, without the corners in which two parsers could differ.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?)"
    r"(?::(?P<port>\d{1,5}))?(?P<path>/[!-\"$->@-\[\]-~]*)?(?:\?(?P<query>[!-\"$-~]*))?(?:#.*)?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


class WebAddress(NamedTuple):
    """An address of the web in parts; the host in small letters, without brackets or last dot."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def climbs(self) -> bool:
        """Whether its path leaves a folder that it names, however that is written."""
        return not {".", ".."}.isdisjoint(re.split(r"[/\\]", unquote(self.path)))


def web_address(text: object) -> WebAddress | None:
    """
    Take an address apart that has no user, blank or other oddity; None for anything else.

    >>> web_address("https://Cdn.example.com./a?b=c")
    WebAddress(scheme='https', host='cdn.example.com', port=443, path='/a', query='b=c')
    >>> web_address("https://a@example.com/") is web_address("https://example.com/ a") is None
    True
    """
    match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]").rstrip(".")
    port = int(match["port"] or _PORTS[scheme])
    bracketed = match["host"].startswith("[")
    if not 0 < port < 65_536 or (bracketed and ip_address(host) is None):
        return None
    return WebAddress(scheme, host, port, match["path"] or "/", match["query"] or "")


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, without the zone of IPv6; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """
    Whether a host, by name or address, is this machine.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "localhost.example")]
    [True, True, True, False]
    """
    address = ip_address(host)
    return address.is_loopback if address else host.lower() in {"localhost", "localhost."}


def is_public(host: str) -> bool:
    """
    Whether a host is an address of the public internet, whatever it is wrapped in.

    >>> [is_public(a) for a in ("52.216.1.1", "10.0.0.7", "::ffff:127.0.0.1", "169.254.169.254")]
    [True, False, False, False]
    """
    address = ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address is not None and address.is_global and not address.is_multicast


def signed_link_ends_at(fields: Mapping[str, str]) -> datetime | None:
    """
    When a link signed for S3, Google, CloudFront or Azure ends by its own words.

    >>> signed_link_ends_at({"x-amz-date": "20240115T100000Z", "x-amz-expires": "600"}).isoformat()
    '2024-01-15T10:10:00+00:00'
    """
    try:
        for cloud in ("x-amz", "x-goog"):
            if f"{cloud}-date" in fields:
                signed = datetime.strptime(f"{fields[f'{cloud}-date']}+0000", "%Y%m%dT%H%M%SZ%z")
                return signed + timedelta(seconds=int(fields[f"{cloud}-expires"]))
        if "expires" in fields:
            return datetime.fromtimestamp(int(fields["expires"]), UTC)
        if "se" in fields:
            ends = datetime.fromisoformat(re.sub("(?i)%3a", ":", fields["se"]))
            return ends if ends.tzinfo else ends.replace(tzinfo=UTC)
        plain = base64.b64decode(fields["policy"].translate(str.maketrans("-_~", "+=/")))
        limit = json.loads(plain)["Statement"][0]["Condition"]["DateLessThan"]
        return datetime.fromtimestamp(limit["AWS:EpochTime"], UTC)
    except (LookupError, TypeError, ValueError, OverflowError, OSError, RecursionError):
        return None


def http_date(header: str | None) -> datetime | None:
    """
    Read a date of HTTP, in UTC; None for anything else, however strange.

    >>> http_date("Mon, 15 Jan 2024 12:00:30 GMT").isoformat()
    '2024-01-15T12:00:30+00:00'
    >>> http_date("Mon, 01 Jan 99999999999999999999 00:00:00 GMT") is None
    True
    """
    try:
        moment = parsedate_to_datetime(header or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError):
        return None


_NO_SOCKS = (
    "HTTPS_PROXY or ALL_PROXY names a SOCKS proxy, which needs one more package: "
    "pip install 'requests[socks]'; or unset the variable"
)
_NO_PROXY = (
    "HTTPS_PROXY or ALL_PROXY is not the address of a proxy; write http://host:port, or unset the "
    "variable"
)
_NO_CERTIFICATES = (
    "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file of certificates that does not exist; "
    "correct the path, or unset the variable"
)


def open_pool(adapter: Any, url: str, *, direct: bool) -> Any:
    """
    Have requests work out proxies and certificates for a URL and give urllib3's pool for it.

    Where the environment allows none, a ValueError names the variable and the remedy.
    """
    pool = _pool(adapter, url, direct=direct)
    if isinstance(pool, str):  # raised here, where no frame holds the address of a proxy
        raise ValueError(pool)
    return pool


def _pool(adapter: Any, url: str, *, direct: bool) -> Any:
    import requests
    import urllib3

    try:
        with requests.Session() as session:
            settings = session.merge_environment_settings(url, {}, True, None, None)
        verify, cert = settings["verify"], settings["cert"]
        proxies = {} if direct else settings["proxies"]
        if any(proxy.isspace() for proxy in proxies.values()):  # older requests take it for a host
            return _NO_PROXY
        pool = adapter.get_connection_with_tls_context(
            requests.Request("GET", url).prepare(),
            verify=verify,
            proxies=proxies,
            cert=cert,
        )
        adapter.cert_verify(pool, url, verify, cert)
    except requests.exceptions.InvalidSchema:
        return _NO_SOCKS
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
        return _NO_PROXY
    except OSError:
        return _NO_CERTIFICATES
    return pool


_BEFOREHAND = range(102, 200)
_MAX_LINE_BYTES = 65_536


class Clock(Protocol):
    """What decides how long a read may wait."""

    def seconds_left(self) -> float:
        """Time for the next read, more than zero; raises `TimeoutError` when there is none."""

    def arrived(self, size: int) -> None:
        """Take note of bytes that came."""


class Deadline:
    """One limit for the whole answer."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Time until the limit."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took longer than its limit")
        return left

    def arrived(self, size: int) -> None:
        """Bytes change nothing."""


class _TimedReader(io.RawIOBase):
    """What arrives on a socket, as long as the clock allows."""

    def __init__(self, sock: Any, clock: Clock) -> None:
        self._sock, self._clock = sock, clock
        # keeps the socket open while the answer is read, even after its connection let go
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(self._clock.seconds_left())
            try:
                size: int = self._sock.recv_into(buffer)
            except TimeoutError:
                continue  # the clock says whether that was the end
            self._clock.arrived(size)
            return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """The one thing an `http.client.HTTPResponse` wants of a socket."""

    def __init__(self, sock: Any, clock: Clock) -> None:
        self._settings = sock, clock

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_TimedReader(*self._settings))


class _FinalResponse(http.client.HTTPResponse):
    """Pass over what a server says beforehand, such as 103: Python passes over 100 alone."""

    def _read_status(self) -> Any:
        while True:
            found = super()._read_status()  # type: ignore[misc]
            if found[1] not in _BEFOREHAND:
                return found
            while self.fp.readline(_MAX_LINE_BYTES).strip():
                continue


def _response(sock: Any, *settings: Any, clock: Clock, **more: Any) -> http.client.HTTPResponse:
    timed: Any = _TimedSocket(sock, clock)
    return _FinalResponse(timed, *settings, **more)


def timed_connections(connection_class: Any, clock: Callable[[Any], Clock]) -> Any:
    """
    Make urllib3 connections whose answers keep to the clock that is made for each.

    >>> import urllib3
    >>> pool = urllib3.HTTPConnectionPool("127.0.0.1")
    >>> timed_connections(pool.ConnectionCls, lambda made: Deadline(made.timeout)).__name__
    'TimedConnection'
    """

    class TimedConnection(connection_class):  # type: ignore[misc]
        def connect(self) -> None:
            # a proxy answers before the server does, and may drip as well
            self.response_class = partial(_response, clock=Deadline(self.timeout))
            super().connect()

        def request(self, *arguments: Any, **settings: Any) -> None:
            if self.sock is not None:
                # the last answer may have left it a moment only
                self.sock.settimeout(self.timeout)
            super().request(*arguments, **settings)

        def getresponse(self) -> Any:
            self.response_class = partial(_response, clock=clock(self))
            return super().getresponse()

    return TimedConnection
