"""
A panel in the notebook that shows how renders go on, without holding up the kernel.

``polling`` is the thread that polls, ``snapshot`` the figures, ``widget`` sends them to
``panel.js``, which draws them; ``static`` is the copy that stays in a saved notebook, and
``kernel`` where it all lives. Without anywidget there are lines of text.
"""

from hooked_analytics.panel.widget import ProgressPanel

__all__ = ["ProgressPanel"]
