"""A matplotlib picture as SVG for the inside of a page: text is text, colours may be changed."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

_POINTS_PER_INCH, _PIXELS_PER_INCH = 72, 96


def draw_svg(
    draw: Callable[[Axes], None],
    name: str,
    size: tuple[float, float],
    alt: str,
    variables: Mapping[str, str],
) -> str:
    """Draw on axes of their own and return an ``svg`` element."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.patch.set_alpha(0)
    written = io.StringIO()
    ax = figure.subplots()
    ax.tick_params(axis="x", pad=7)  # the first label of x would touch that of y
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}):
        draw(ax)
        # savefig would draw all of it twice, once to lay it out
        canvas: Any = FigureCanvasSVG(figure)  # it has no types
        canvas.print_svg(written, metadata={"Date": None})
    svg = written.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    width, height = size
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {width * _POINTS_PER_INCH:g} {height * _POINTS_PER_INCH:g}" '
        f'width="{width * _PIXELS_PER_INCH:g}" font-family="system-ui, sans-serif">'
    )
    # every change is made inside tags; text between them is left as it is
    return head + re.sub(r"<[^<>]*>", lambda tag: _own(tag[0], name, variables), body)


def _own(tag: str, name: str, variables: Mapping[str, str]) -> str:
    tag = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font: (?:[a-z0-9]+ )*?([0-9.]+px) [^;\"]*", r"font-size: \1", tag)
    tag = tag.replace('<text style="', '<text style="white-space: pre; ')
    for variable, colour in variables.items():
        tag = tag.replace(colour, f"var(--{variable}, {colour})")
    return tag
