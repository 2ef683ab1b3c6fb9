"""Which links are followed, where they may lead, and when they die."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from hooked_analytics.download.failure import fail

if TYPE_CHECKING:
    from collections.abc import Iterable

# Hooked's own hosts, and the store its links point to.
ALLOWED_HOSTS = ("*.amazonaws.com", "*.hooked.so")
LINK_LIFE = timedelta(hours=24)
LAST_MINUTE = timedelta(seconds=60)

# One reading of a link, without the corners in which two parsers could differ.
_LINK = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[!-\"$->@-\[\]-~]*)?(?:\?(?P<query>[!-\"$-~]*))?(?:#.*)?",
    re.ASCII | re.IGNORECASE,
)
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", re.ASCII)
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Link(NamedTuple):
    """A link that may be followed, in parts."""

    scheme: str
    host: str
    port: int
    path: str
    query: str  # with its question mark: the signature, a secret
    loopback: bool  # must lead to this machine; all others must not

    @property
    def place(self) -> str:
        """Where it points, without what is secret."""
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"


class LinkRules:
    """
    Decide which links are followed.

    Parameters
    ----------
    allowed_hosts : hosts besides Hooked's own: ``cdn.example.com``, or ``*.example.com``
    local : whether the API itself is on this machine, so that its links may be too

    Examples
    --------
    >>> rules = LinkRules((), local=False)
    >>> rules.check("https://s3.amazonaws.com/a/b.mp4?X-Amz-Signature=1").place
    'https://s3.amazonaws.com:443/a/b.mp4'
    >>> rules.check("https://example.com/b.mp4")
    Traceback (most recent call last):
    hooked_analytics.download.failure.DownloadFailed: the link leads to example.com, which is
    not one of Hooked's hosts; if you trust it: allowed_hosts=['example.com']
    """

    def __init__(self, allowed_hosts: Iterable[str], *, local: bool) -> None:
        if isinstance(allowed_hosts, str):
            raise TypeError("allowed_hosts is a list of hosts, such as ['cdn.example.com']")
        more = [str(host).strip().lower() for host in allowed_hosts]
        for host in more:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host; write 'cdn.example.com', '*.example.com'")
        self._hosts = (*ALLOWED_HOSTS, *more)
        self._local = local

    def check(self, url: str) -> Link:
        """
        Take a link apart if it may be followed.

        Raises
        ------
        DownloadFailed
            ``link_refused``, and where it would have led.
        """
        match = _LINK.fullmatch(url)
        if match is None:
            fail("link_refused", "the link is no plain web address")
        scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]").rstrip(".")
        port = int(match["port"] or _PORTS[scheme])
        if not 0 < port < 65536:
            fail("link_refused", f"the link to {host} has no possible port")
        address = _address(host)
        loopback = host == "localhost" or (address is not None and address.is_loopback)
        self._check_host(host, address, loopback)
        if scheme == "http" and not loopback:
            fail("link_refused", f"the link to {host} is plain http; only https is followed")
        query = f"?{match['query']}" if match["query"] else ""
        return Link(scheme, host, port, match["path"] or "/", query, loopback)

    def _check_host(self, host: str, address: _Address | None, loopback: bool) -> None:
        if loopback:
            if not (self._local or host in self._hosts):
                fail("link_refused", f"the link leads to this machine ({host}), not to Hooked")
        elif address is not None and not _public(address):
            fail("link_refused", f"the link leads into a private network ({host})")
        elif not any(_matches(host, allowed) for allowed in self._hosts):
            fail(
                "link_refused",
                f"the link leads to {host}, which is not one of Hooked's hosts; "
                f"if you trust it: allowed_hosts=[{host!r}]",
            )


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _public(address: _Address) -> bool:
    """Whether an address belongs to the public internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _public(inner)
    return address.is_global and not address.is_multicast


def may_connect(address: str, *, loopback: bool) -> bool:
    """
    Whether a name that was looked up may lead to this address.

    Examples
    --------
    >>> [may_connect(a, loopback=False) for a in ("52.216.1.1", "10.0.0.7", "::ffff:127.0.0.1")]
    [True, False, False]
    >>> may_connect("127.0.0.1", loopback=True), may_connect("52.216.1.1", loopback=True)
    (True, False)
    """
    found = _address(address.partition("%")[0])
    if found is None:
        return False
    return found.is_loopback if loopback else _public(found)


def dies_at(url: str, fetched_at: datetime | None) -> datetime | None:
    """
    When a signed link ends: by its own words or 24 h after it was given, whichever is first.

    Examples
    --------
    >>> link = "https://a.example/v.mp4?X-Amz-Date=20240115T100000Z&X-Amz-Expires=600"
    >>> dies_at(link, None).isoformat()
    '2024-01-15T10:10:00+00:00'
    >>> dies_at("https://a.example/v.mp4", None) is None
    True
    """
    query = parse_qs(url.partition("?")[2], max_num_fields=50) if len(url) < 10_000 else {}
    said = {name.lower(): values[0] for name, values in query.items()}
    ends = [_own_end(said), fetched_at + LINK_LIFE if fetched_at and said else None]
    return min((end for end in ends if end is not None), default=None)


def _own_end(said: dict[str, str]) -> datetime | None:
    try:
        if "x-amz-date" in said:
            signed = datetime.strptime(said["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed + timedelta(seconds=int(said["x-amz-expires"]))
        if "expires" in said:
            return datetime.fromtimestamp(int(said["expires"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return None


def about_to_die(url: str, fetched_at: datetime | None, *, now: datetime | None = None) -> bool:
    """Whether a link has a minute left or less."""
    end = dies_at(url, fetched_at)
    return end is not None and (now or datetime.now(UTC)) >= end - LAST_MINUTE
