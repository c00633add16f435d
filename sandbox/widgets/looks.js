// Looks: light or dark, as JupyterLab, VS Code or the reader has it, and the colours of that.

const COLOURS = ["blue", "sky", "orange", "green", "red", "purple", "soft", "text", "card",
  "on-blue", "on-orange", "on-green", "on-red", "on-purple", "on-soft"];

export function isDark() {
  const lab = document.querySelector("[data-jp-theme-light]")?.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false";
  const { classList } = document.body;
  if (classList.contains("vscode-dark") || classList.contains("vscode-high-contrast")) return true;
  return !classList.contains("vscode-light") && window.matchMedia("(prefers-color-scheme: dark)").matches;
}

export function paletteOf(el) {
  const style = getComputedStyle(el);
  const palette = { font: style.fontFamily };
  for (const name of COLOURS) palette[name] = style.getPropertyValue(`--sb-${name}`).trim();
  return palette;
}
