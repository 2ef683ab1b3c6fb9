"""How the panel looks: JupyterLab's theme where there is one, VS Code's, else a light page."""

from __future__ import annotations

from hooked_analytics.plots.style import PALETTE

# Our name, JupyterLab's variable, VS Code's variable, and what to take without either.
_THEME = {
    "ink": ("jp-ui-font-color1", "vscode-editor-foreground", "#1b2430"),
    "quiet": ("jp-ui-font-color2", "vscode-descriptionForeground", "#5f6b7c"),
    "ground": ("jp-layout-color0", "vscode-editor-background", "#ffffff"),
    "raised": ("jp-layout-color1", "vscode-editorWidget-background", "#f6f7f9"),
    "rule": ("jp-border-color2", "vscode-panel-border", "#e0e4ea"),
    "track": ("jp-border-color2", "vscode-panel-border", "#e3e6ec"),
    "font": ("jp-ui-font-family", "vscode-font-family", "system-ui, sans-serif"),
    "code": ("jp-code-font-family", "vscode-editor-font-family", "monospace"),
}
# Kinds of videos that share a colour; a word always says which is which.
COLOURS = {
    "completed": PALETTE["completed"],
    "rendering": PALETTE["rendering"],
    "failed": PALETTE["failed"],
    "problem": PALETTE["failed"],
    "waiting": PALETTE["unknown"],
    "unknown": PALETTE["unknown"],
}
PICTURE_HEIGHT_PX = 250
_CSS = """
.hooked { color: var(--hk-ink); font: 13px/1.4 var(--hk-font); padding: 4px 2px 8px;
  max-width: 1240px; min-width: 0; overflow: hidden; box-sizing: border-box; }
.hooked * { box-sizing: border-box; }
.hooked .widget-html, .hooked .jupyter-widget-html { margin: 0; height: auto; line-height: 1.4;
  color: inherit; }
.hooked .widget-html-content, .hooked .jupyter-widget-html-content { line-height: 1.4;
  width: 100%; font-size: 13px; align-self: auto; }
.hooked .hk-head, .hooked .hk-tools, .hooked .hk-foot { align-items: center; gap: 8px;
  width: 100%; overflow: visible; flex-wrap: wrap; row-gap: 4px; }
.hooked .hk-grow { flex: 1 1 auto; min-width: 0; width: auto; }
.hooked .hk-title { font-size: 17px; font-weight: 600; margin-right: 14px; white-space: nowrap; }
.hooked .hk-chip { display: inline-block; padding: 3px 11px; margin: 2px 7px 2px 0;
  border: 1px solid var(--hk-rule); border-radius: 14px; background: var(--hk-raised);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.hooked .hk-dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%;
  margin-right: 7px; background: var(--hk-unknown); flex: none; }
.hooked .hk-next { white-space: nowrap; color: var(--hk-quiet); text-align: right;
  min-width: 120px; font-variant-numeric: tabular-nums; }
.hooked .hk-bar { display: flex; height: 11px; border-radius: 6px; overflow: hidden;
  background: var(--hk-track); margin: 8px 0 12px; }
.hooked .hk-bar i { display: block; height: 100%; }
.hooked .hk-tiles { display: grid; gap: 10px; grid-template-columns: repeat(5, minmax(0, 1fr)); }
.hooked .hk-tile { border: 1px solid var(--hk-rule); border-radius: 8px; padding: 9px 13px 8px;
  background: var(--hk-raised); min-width: 0; }
.hooked .hk-tile b { display: block; font-size: 20px; line-height: 1.3; font-weight: 650;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
  font-variant-numeric: tabular-nums; }
.hooked .hk-tile span { color: var(--hk-quiet); display: block; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.hooked .hk-note { height: 22px; margin-top: 8px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; color: var(--hk-quiet); }
.hooked .hk-note b { color: var(--hk-failed); font-weight: 600; }
.hooked .hk-picture { width: 100%; height: auto; margin: 2px 0 4px; }
.hooked .hk-picture img, .hooked img.hk-picture { width: 100%; height: auto;
  aspect-ratio: 1200 / 250; object-fit: fill; margin: 0; }
.hooked .hk-table-box { overflow-x: auto; }
.hooked table.hk-table { width: 100%; min-width: 760px; table-layout: fixed;
  border-collapse: collapse; border: 0; margin: 4px 0 0; font-size: 13px; color: inherit;
  font-variant-numeric: tabular-nums; }
.hooked .hk-table th, .hooked .hk-table td { border: 0; text-align: left; padding: 0 10px;
  border-bottom: 1px solid var(--hk-rule); white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; vertical-align: middle; background: none; max-width: none; }
.hooked .hk-table th { height: 30px; font-weight: 600; color: var(--hk-quiet); }
.hooked .hk-table td { height: 45px; }
.hooked .hk-table tr, .hooked .hk-table tbody tr:nth-child(odd),
.hooked .hk-table tbody tr:hover { background: none; }
.hooked .hk-table .hk-right { text-align: right; }
.hooked .hk-table tr.hk-gap td { border-bottom-color: transparent; }
.hooked .hk-video { display: flex; align-items: center; min-width: 0; }
.hooked .hk-video div { min-width: 0; }
.hooked .hk-video div span, .hooked .hk-video div code { display: block; overflow: hidden;
  text-overflow: ellipsis; }
.hooked .hk-video code { font: 11px/1.3 var(--hk-code); color: var(--hk-quiet); padding: 0;
  background: none; }
.hooked .hk-progress { display: flex; align-items: center; gap: 9px; }
.hooked .hk-progress u { flex: 1 1 auto; height: 7px; border-radius: 4px; overflow: hidden;
  background: var(--hk-track); text-decoration: none; max-width: 130px; }
.hooked .hk-progress u i { display: block; height: 100%; border-radius: 4px; }
.hooked .hk-progress span { flex: none; width: 76px; }
.hooked .hk-quiet { color: var(--hk-quiet); }
.hooked .hk-alert { color: var(--hk-failed); font-weight: 600; }
.hooked .hk-empty { padding: 22px 10px; color: var(--hk-quiet); }
.hooked .widget-button, .hooked .jupyter-button { width: auto; min-width: 0; margin: 0;
  height: 30px; line-height: 28px; padding: 0 12px; border: 1px solid var(--hk-rule);
  border-radius: 6px; background: var(--hk-raised); color: var(--hk-ink); font-size: 13px;
  box-shadow: none; flex: none; }
.hooked .widget-button:hover:enabled, .hooked .jupyter-button:hover:enabled {
  border-color: var(--hk-quiet); box-shadow: none; }
.hooked .widget-button:focus-visible, .hooked select:focus-visible {
  outline: 2px solid var(--hk-rendering); outline-offset: 1px; }
.hooked .widget-button:disabled { opacity: .45; }
.hooked .widget-dropdown { margin: 0; width: auto; height: 30px; flex: none; align-items: center; }
.hooked .widget-dropdown > .widget-label { width: auto; margin-right: 6px; color: var(--hk-quiet);
  font-size: 13px; line-height: 30px; height: 30px; }
.hooked .widget-dropdown > select { height: 30px; line-height: 28px; font-size: 13px;
  border: 1px solid var(--hk-rule); border-radius: 6px; padding: 0 4px 0 6px;
  background: var(--hk-raised); color: var(--hk-ink); box-shadow: none; appearance: auto; }
@media (max-width: 700px) {
  .hooked .hk-tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
"""


def style(token: str) -> str:
    """
    Write the style sheet, which also hides the static copy of a panel that is alive.

    Examples
    --------
    >>> ".hooked-static-a1 { display: none" in style("a1")
    True
    """
    theme = "; ".join(
        f"--hk-{name}: var(--{jupyter}, var(--{vscode}, {plain}))"
        for name, (jupyter, vscode, plain) in _THEME.items()
    )
    colours = "; ".join(f"--hk-{kind}: {colour}" for kind, colour in COLOURS.items())
    hidden = f".hooked-static-{token} {{ display: none !important }}"
    return f"<style>.hooked {{ {theme}; {colours} }}{_CSS}{hidden}</style>"
