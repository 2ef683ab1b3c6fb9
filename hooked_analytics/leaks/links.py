"""Signed links: who holds one may fetch the file until it ends."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINK = re.compile(rb"(?i)https?:\\{0,2}/\\{0,2}/[^\s\"'<>`]{1,8000}")
_FIELD = re.compile(
    rb"(?i)(?:[?&;#]|\\u0026|%3f|%26)"
    rb"(x-(?:amz|goog)-(?:signature|date|expires)|signature|sig|expires|se|policy)"
    rb"(?:=|%3d)([^&;#\\]+)"
)
_SIGNATURES = ("x-amz-signature", "x-goog-signature", "signature", "sig")
_MIN_SIGNATURE = 16  # a real one has at least 27 characters, one in a manual has three


class SignedLink(NamedTuple):
    """A link found: where it stands in the text, and when it ends if it says so."""

    start: int
    end: int
    signature: bytes
    ends_at: datetime | None


def signed_links(text: bytes) -> Iterator[SignedLink]:
    """
    Find links with a signature of S3, CloudFront, Google or Azure.

    Examples
    --------
    >>> link = (
    ...     b"https://a.example/v.mp4?X-Amz-Date=20240115T100000Z&X-Amz-Expires=3600"
    ...     b"&X-Amz-Signature=" + b"0" * 64
    ... )
    >>> [str(found.ends_at) for found in signed_links(link)]
    ['2024-01-15 11:00:00+00:00']
    """
    lower = text.lower()
    if b"signature" not in lower and b"sig" not in lower:
        return
    for match in _LINK.finditer(text):
        fields = {name.decode("ascii").lower(): value for name, value in _FIELD.findall(match[0])}
        signature = next((fields[name] for name in _SIGNATURES if name in fields), b"")
        if len(signature) >= _MIN_SIGNATURE:
            plain = unquote_to_bytes(signature)
            yield SignedLink(match.start(), match.end(), plain, _ends_at(fields))


def _ends_at(fields: dict[str, bytes]) -> datetime | None:
    said = {name: value.decode("ascii", "replace") for name, value in fields.items()}
    try:
        for cloud in ("x-amz", "x-goog"):
            if f"{cloud}-signature" in said:
                signed_at = datetime.strptime(f"{said[f'{cloud}-date']}+0000", "%Y%m%dT%H%M%SZ%z")
                return signed_at + timedelta(seconds=int(said[f"{cloud}-expires"]))
        if "expires" in said:
            return datetime.fromtimestamp(int(said["expires"]), UTC)
        if "se" in said:
            ends = datetime.fromisoformat(said["se"].replace("%3A", ":").replace("%3a", ":"))
            return ends if ends.tzinfo else ends.replace(tzinfo=UTC)
        return _end_of_policy(fields["policy"])
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def _end_of_policy(policy: bytes) -> datetime:
    """Read the end out of a policy of CloudFront, base64 with signs that a link can hold."""
    plain = base64.b64decode(policy.translate(bytes.maketrans(b"-_~", b"+=/")))
    try:
        condition = json.loads(plain)["Statement"][0]["Condition"]
        return datetime.fromtimestamp(condition["DateLessThan"]["AWS:EpochTime"], UTC)
    except (TypeError, LookupError, RecursionError) as cause:
        raise ValueError("a policy without an end") from cause
