"""One authenticated request to the Hooked API: key, transport, retry, rate limit."""

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client.client import HookedClient, Response
from hooked_analytics.client.responses import ListPage
from hooked_analytics.client.settings import (
    KEY_VARIABLE,
    check_parts,
    check_seconds,
    check_video_id,
    check_whole,
    keys_of_environment,
    plain_address,
)

__all__ = [
    "KEY_VARIABLE",
    "CancelToken",
    "Cancelled",
    "HookedClient",
    "ListPage",
    "Response",
    "check_parts",
    "check_seconds",
    "check_video_id",
    "check_whole",
    "keys_of_environment",
    "plain_address",
]
