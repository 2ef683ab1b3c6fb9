"""
A panel in the notebook that shows how renders go on, without holding up the kernel.

``polling`` is the thread that polls, ``snapshot`` the figures, ``widget`` sends them to
``panel.js``, which draws them; ``notebook`` is where it lives, and the copy that stays there.
Without anywidget there are lines of text.
"""

from hooked_analytics.panel.widget import ProgressPanel

__all__ = ["ProgressPanel"]
