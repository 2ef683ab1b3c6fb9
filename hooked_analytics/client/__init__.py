"""One authenticated request to the Hooked API: key, transport, retry, rate limit."""

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client.client import HookedClient, ListPage, Response

__all__ = ["CancelToken", "Cancelled", "HookedClient", "ListPage", "Response"]
