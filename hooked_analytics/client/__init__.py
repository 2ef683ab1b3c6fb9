"""One authenticated request to the Hooked API: key, transport, retry, rate limit."""

from hooked_analytics._internal.cancel import Cancelled, CancelToken
from hooked_analytics.client.client import Answer, HookedClient, Page

__all__ = ["Answer", "CancelToken", "Cancelled", "HookedClient", "Page"]
