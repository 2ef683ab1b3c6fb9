"""
A panel in the notebook that shows how renders go on, without holding up the kernel.

``watcher`` is the thread, ``snapshot`` the figures, ``widget`` sends them to ``panel.js``, which
draws them; ``static`` is the copy that stays in a saved notebook, ``controls`` what all forms of
the panel do, lines of text included, and ``kernel`` where it lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hooked_analytics.panel.widget import ProgressPanel

__all__ = ["ProgressPanel"]


def __getattr__(name: str) -> object:
    # a widget's class needs anywidget to be made; without it there are lines of text
    if name != "ProgressPanel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import anywidget  # noqa: F401
    except ImportError:
        from hooked_analytics.panel.controls import TextPanel

        return TextPanel
    from hooked_analytics.panel.widget import ProgressPanel

    return ProgressPanel
