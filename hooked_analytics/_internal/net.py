"""Hosts and addresses, dates in headers, when a signed link ends, and urllib3's pools."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, without its zone; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
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


def open_pool(adapter: Any, url: str, *, direct: bool) -> Any:
    """Have requests work out proxies and certificates for a URL and give urllib3's pool for it."""
    import requests

    with requests.Session() as session:
        settings = session.merge_environment_settings(url, {}, True, None, None)
    verify, cert = settings["verify"], settings["cert"]
    pool = adapter.get_connection_with_tls_context(
        requests.Request("GET", url).prepare(),
        verify=verify,
        proxies={} if direct else settings["proxies"],
        cert=cert,
    )
    adapter.cert_verify(pool, url, verify, cert)
    return pool
