"""Webhook events: ``receiver`` serves, ``webhook_app`` judges, ``resolver`` asks the API."""

from hooked_analytics.webhooks.receiver import WebhookReceiver

__all__ = ["WebhookReceiver"]
