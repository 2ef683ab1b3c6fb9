"""
Hearing Hooked call: a small server that takes completion calls as hints.

``receiver`` is what the user holds, ``door`` what a call has to pass, ``calls`` reads whom it
means, ``follow`` asks the API what is true.
"""

from hooked_analytics.webhooks.receiver import WebhookReceiver

__all__ = ["WebhookReceiver"]
