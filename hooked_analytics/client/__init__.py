"""One authenticated request to the Hooked API: key, transport, retry, rate limit."""

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client.client import HookedClient, Response
from hooked_analytics.client.pages import ListPage
from hooked_analytics.client.settings import (
    KEY_VARIABLE,
    check_video_id,
    keys_of_environment,
)

__all__ = [
    "KEY_VARIABLE",
    "CancelToken",
    "Cancelled",
    "HookedClient",
    "ListPage",
    "Response",
    "check_video_id",
    "keys_of_environment",
]
