"""Plain pages: the widgets' own modules and styles in a page without a notebook, which is quick."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.waiting import until

_THEMES = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"
# VS Code's own "Light Modern", "Dark Modern" and its two themes of high contrast.
_VS_CODE = {
    "vscode-light": ("#3b3b3b", "#ffffff", "#f8f8f8"),
    "vscode-dark": ("#cccccc", "#1f1f1f", "#181818"),
    "vscode-high-contrast": ("#ffffff", "#000000", "#000000"),
    "vscode-high-contrast vscode-high-contrast-light": ("#292929", "#ffffff", "#ffffff"),
}
HOSTS = (
    "reader light",
    "reader dark",
    "lab light",
    "lab dark",
    *_VS_CODE,
)
"""Where a widget may be: a plain page and what its reader prefers, JupyterLab, VS Code."""


def is_dark(host: str) -> bool:
    """Tell whether the host's theme is dark."""
    return "dark" in host or host == "vscode-high-contrast"


def _host(host: str) -> tuple[str, str]:
    """Return the attributes of the body and the style that a host gives to a page."""
    if host.startswith("reader"):
        return "", ":root { color-scheme: light dark; }"
    if host.startswith("lab"):
        theme = host.partition(" ")[2]
        css = (_THEMES / f"theme-{theme}-extension" / "index.css").read_text(encoding="utf-8")
        own = "\n".join(re.findall(r":root\s*\{[^}]*\}", css))
        place = "body { background: var(--jp-layout-color0); }"
        return f'data-jp-theme-light="{json.dumps(theme == "light")}"', own + place
    text, page, side = _VS_CODE[host]
    names = f"--vscode-editor-foreground: {text}; --vscode-editor-background: {page};"
    own = f":root {{ {names} --vscode-sideBar-background: {side}; }} body {{ background: {page}; }}"
    return f'class="{host}"', own


def show(page: Page, states: Mapping[str, Mapping[str, Any]], host: str, folder: Path) -> None:
    """Open a page with these widgets (name to state) as ``host`` would show them."""
    attributes, style = _host(host)
    told = json.dumps(states).replace("</", "<\\/")
    places = "".join(f'<section id="{name}" aria-label="{name}"></section>' for name in states)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{host}</title>'
        f"<style>{style}</style></head><body {attributes}><main>{places}</main>"
        f'<script type="module">const states = {told};\n{_SCRIPT}</script></body></html>'
    )
    file = folder / "plain.html"
    file.write_text(text, encoding="utf-8")
    page.emulate_media(color_scheme="dark" if host == "reader dark" else "light")
    page.goto(file.as_uri())
    page.add_script_tag(path=Path(__file__).with_name("probe.js"))
    until("it is shown", lambda: page.evaluate("document.body.dataset.state") == "ready")
    settled(page)


def settled(page: Page) -> None:
    """Wait until what was asked for has been drawn."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame("
        "() => requestAnimationFrame(done))))"
    )


# A model in the place of the kernel's, one for each widget.
_SCRIPT = """
class Model {
  constructor(traits) { this.traits = { ...traits }; this.acts = new Map(); this.sent = []; }
  get(name) { return this.traits[name]; }
  set(name, value) {
    if (this.traits[name] === value) return;
    this.traits[name] = value;
    for (const act of [...(this.acts.get(`change:${name}`) ?? []), ...(this.acts.get("change") ?? [])]) act();
  }
  on(name, act) { this.acts.set(name, [...(this.acts.get(name) ?? []), act]); }
  off(name, act) { this.acts.set(name, (this.acts.get(name) ?? []).filter((one) => one !== act)); }
  send(message) { this.sent.push(message); }
  save_changes() { this.sent.push("saved"); }
}
window.models = {};
for (const [name, state] of Object.entries(states)) {
  const style = document.createElement("style");
  style.textContent = state._css;
  document.head.append(style);
  const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  const module = await import(url);
  window.models[name] = new Model(state);
  module.default.render({ model: window.models[name], el: document.getElementById(name) });
}
document.body.dataset.state = "ready";
"""


def state_of(widget: Any) -> dict[str, Any]:
    """Return what a page gets of a widget: its module, its style and its traits."""
    names = [name for name in widget.keys if name in {"_esm", "_css"} or not name.startswith("_")]
    state = widget.get_state(names)
    return {
        name: state[name]
        for name in names
        if isinstance(state[name], str | int | float | list | dict)
    }
