"""The command line: the same functions, for people who are not in a notebook."""

from hooked_analytics.cli.main import main

__all__ = ["main"]
