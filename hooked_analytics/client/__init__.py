"""One authenticated request to the Hooked API: key, transport, retry, rate limit."""

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client.client import HookedClient, ListPage, Response
from hooked_analytics.client.key import keys_of_environment

__all__ = [
    "CancelToken",
    "Cancelled",
    "HookedClient",
    "ListPage",
    "Response",
    "keys_of_environment",
]
