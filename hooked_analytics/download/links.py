"""Which links are followed, and when they end."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, unquote

from hooked_analytics._internal.net import ip_address, is_loopback, is_public, signed_link_ends_at
from hooked_analytics.download.tasks import fail

if TYPE_CHECKING:
    from collections.abc import Iterable

# Where a link that somebody handed over is followed to: Hooked's hosts and its own bucket.
# Other buckets of the same store may belong to anyone.
_HOOKED = re.compile(
    r"(?:[^/]+\.)?hooked\.so/.*|s3\.amazonaws\.com/hooked-videos/.*"
    r"|hooked-videos\.s3(?:\.[a-z]{2}(?:-[a-z]+){1,3}-\d)?\.amazonaws\.com/.*",
    re.ASCII | re.DOTALL,
)
_LINK_LIFE = timedelta(hours=24)
_LAST_MINUTE = timedelta(seconds=60)
# One reading of a link, without the corners in which two parsers could differ.
_LINK = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[!-\"$->@-\[\]-~]*)?(?:\?(?P<query>[!-\"$-~]*))?(?:#.*)?",
    re.ASCII | re.IGNORECASE,
)
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", re.ASCII)
_PORTS = {"http": 80, "https": 443}


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

    >>> rules = LinkRules((), is_local=False)
    >>> rules.check("https://cdn.example/b.mp4?X-Amz-Signature=1", is_fresh=True).place
    'https://cdn.example:443/b.mp4'
    >>> rules.check("https://cdn.example/b.mp4", is_fresh=False)
    Traceback (most recent call last):
    hooked_analytics.download.tasks.DownloadError: the link leads to cdn.example, which is not
    one of Hooked's hosts; if you trust it: allowed_hosts=['cdn.example']
    """

    def __init__(self, allowed_hosts: Iterable[str], *, is_local: bool) -> None:
        if isinstance(allowed_hosts, str):
            raise TypeError("allowed_hosts is a list of hosts, such as ['cdn.example.com']")
        self._allowed = [str(host).strip().lower() for host in allowed_hosts]
        for host in self._allowed:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host; write 'cdn.example.com', '*.example.com'")
        self._is_local = is_local

    def check(self, url: str, *, is_fresh: bool) -> Link:
        """
        Take a link apart if it may be followed, else fail with ``link_refused``.

        It is fresh if the API gave it in this call, or a server that such a link leads to.
        """
        match = _LINK.fullmatch(url)
        if match is None:
            fail("link_refused", "the link is no plain web address")
        scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]").rstrip(".")
        port, path = int(match["port"] or _PORTS[scheme]), match["path"] or "/"
        local = is_loopback(host)
        if not 0 < port < 65536:
            fail("link_refused", f"the link to {host} has no possible port")
        if not local and not is_public(host) and (ip_address(host) or not _is_name(host)):
            fail("link_refused", f"{host} is no public host, which no allowed_hosts changes")
        if scheme == "http" and not local:
            fail("link_refused", f"the link to {host} is plain http; only https is followed")
        if not self._is_allowed(host, path, is_fresh=is_fresh):
            whose = "in allowed_hosts" if self._allowed else "one of Hooked's hosts"
            fail(
                "link_refused",
                f"the link leads to {host}, which is not {whose}; "
                f"if you trust it: allowed_hosts=[{host!r}]",
            )
        query = f"?{match['query']}" if match["query"] else ""
        shown = f"[{host}]" if ":" in host else host
        return Link(f"{scheme}://{shown}:{port}", host, path, query, local, is_fresh)

    def _is_allowed(self, host: str, path: str, *, is_fresh: bool) -> bool:
        if self._allowed:
            return any(
                host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
                for allowed in self._allowed
            )
        if is_loopback(host):
            return self._is_local
        inside = not {".", ".."} & set(re.split(r"[/\\]", unquote(path)))
        return is_fresh or (inside and _HOOKED.fullmatch(host + path) is not None)


def _is_name(host: str) -> bool:
    """Whether this is a name of the public internet, as far as a name can tell."""
    last = host.rpartition(".")[2]
    return "." in host and last[:1].isalpha() and last not in {"internal", "local", "localhost"}


def ends_soon(url: str, fetched_at: datetime | None) -> bool:
    """
    Whether a signed link has a minute left or less: by its own words, or 24 h after it was given.

    >>> ends_soon("https://a.example/v?X-Amz-Date=20240115T100000Z&X-Amz-Expires=600", None)
    True
    >>> ends_soon("https://a.example/v.mp4", None)
    False
    """
    query = parse_qs(url.partition("?")[2], max_num_fields=50) if len(url) < 10_000 else {}
    ends = [signed_link_ends_at({name.lower(): values[0] for name, values in query.items()})]
    if fetched_at and query:
        ends.append(fetched_at + _LINK_LIFE)
    return any(end is not None and datetime.now(UTC) >= end - _LAST_MINUTE for end in ends)
