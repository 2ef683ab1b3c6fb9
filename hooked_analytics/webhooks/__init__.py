"""
Webhook events: a small server that takes them as hints.

``receiver`` is the server and its listeners, ``webhook_app`` what an event has to pass,
``path_token`` the secret of the address, ``resolver`` asks the API what is true.
"""

from hooked_analytics.webhooks.receiver import WebhookReceiver

__all__ = ["WebhookReceiver"]
