"""Signed download links that die after a day, in the manner of S3."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from hooked_analytics.sandbox.constants import LINK_LIFE_SECONDS
from hooked_analytics.sandbox.video import iso_time

__all__ = ["Links"]

ALGORITHM = "AWS4-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"


class Links:
    """
    Writes links and judges those that come back.

    Parameters
    ----------
    base_url : where the sandbox answers
    seed : the signing key is made from it

    Examples
    --------
    >>> links = Links("http://127.0.0.1:8787", seed=0)
    >>> links.download("vid_abc123", 1_700_000_000).split("&X-Amz-Signature=")[0]
    'http://127.0.0.1:8787/hooked-videos/vid_abc123.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20231114T221320Z&X-Amz-Expires=86400'
    """

    def __init__(self, base_url: str, *, seed: int) -> None:
        self.base_url = base_url
        self._key = hashlib.sha256(f"hooked sandbox {seed}".encode()).digest()

    def download(self, video_id: str, now: float) -> str:
        """
        Fresh link to a video's file.

        Parameters
        ----------
        now : Unix time [s]

        Returns
        -------
        a whole address, good for 24 h
        """
        date = datetime.fromtimestamp(now, UTC).strftime(DATE_FORMAT)
        signature = self._signature(video_id, date, str(LINK_LIFE_SECONDS))
        return (
            f"{self.base_url}/hooked-videos/{quote(video_id, safe='')}.mp4"
            f"?X-Amz-Algorithm={ALGORITHM}&X-Amz-Date={date}"
            f"&X-Amz-Expires={LINK_LIFE_SECONDS}&X-Amz-Signature={signature}"
        )

    def thumbnail(self, video_id: str) -> str:
        """Address of a video's picture, which needs no signature."""
        return f"{self.base_url}/thumbnails/{quote(video_id, safe='')}.png"

    def refusal(self, video_id: str, query: Mapping[str, str], now: float) -> str | None:
        """
        Judge the query of a link that came back.

        Parameters
        ----------
        query : parameter -> value
        now : Unix time [s]

        Returns
        -------
        None when it is good, else the XML that S3 would answer with 403
        """
        date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        signature = query.get("X-Amz-Signature")
        if signature is None:
            return _error("AccessDenied", "Access Denied")
        expected = self._signature(video_id, date, expires)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return _error(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC).timestamp()
        dies_at = signed_at + int(expires)
        if now < dies_at:
            return None
        return _error(
            "AccessDenied",
            "Request has expired",
            f"<X-Amz-Expires>{expires}</X-Amz-Expires><Expires>{iso_time(dies_at)}</Expires>"
            f"<ServerTime>{iso_time(now)}</ServerTime>",
        )

    def _signature(self, video_id: str, date: str, expires: str) -> str:
        text = f"{ALGORITHM}\n{video_id}\n{date}\n{expires}"
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


def _error(code: str, message: str, more: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    )
