"""Webhook events: ``receiver`` takes them in, ``events`` judges them by the API's word."""

from hooked_analytics.webhooks.receiver import WebhookReceiver

__all__ = ["WebhookReceiver"]
