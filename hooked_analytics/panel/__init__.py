"""
A panel in the notebook that shows how renders go on, without holding up the kernel.

``watcher`` is the thread, ``memory`` what it remembers, ``facts`` the figures,
``page``, ``picture`` and ``style`` how they look, ``static`` the copy that stays in a saved
notebook, ``kernel`` where it lives, ``widget`` the panel itself and ``text`` the one without
widgets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hooked_analytics.panel.widget import ProgressPanel

__all__ = ["ProgressPanel"]


def __getattr__(name: str) -> object:
    # a widget's class needs ipywidgets to be made; without it there are lines of text
    if name != "ProgressPanel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        from hooked_analytics.panel.text import TextPanel

        return TextPanel
    from hooked_analytics.panel.widget import ProgressPanel

    return ProgressPanel
