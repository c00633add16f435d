// Looks: light or dark, as JupyterLab, VS Code or the reader has it, and the colours of that.

const COLOURS = ["blue", "sky", "orange", "green", "red", "purple", "soft", "text", "card",
  "amber", "on-blue", "on-orange", "on-green", "on-red", "on-purple", "on-soft"];

// How each state of a message looks, on the board and in its legend. Colour alone says nothing:
// no two have the same shape, fill and dash, with or without the mark, which the smallest dots
// have not. A test holds it.
export const LOOKS = {
  queued: { colour: "blue", fill: true, shape: "circle", words: "queued" },
  reserved: { colour: "blue", fill: false, shape: "circle", words: "prefetched" },
  running: { colour: "orange", fill: true, shape: "square", words: "running" },
  eta: { colour: "sky", fill: false, shape: "diamond", words: "held until its ETA" },
  rate: { colour: "sky", fill: false, shape: "square", words: "held by the rate limit" },
  retry: { colour: "purple", fill: false, shape: "back", words: "waits for its retry" },
  limbo: { colour: "red", fill: false, shape: "circle", dash: true, words: "unacked, no owner" },
  stale: { colour: "purple", fill: false, shape: "square", dash: true,
    words: "second copy, will run again" },
  done: { colour: "green", fill: true, shape: "shield", mark: "✓", words: "done" },
  twice: { colour: "purple", fill: true, shape: "diamond", mark: "2", words: "ran twice" },
  failed: { colour: "red", fill: true, shape: "octagon", mark: "✕", words: "failed" },
  dead: { colour: "red", fill: true, shape: "dome", mark: "✕", words: "dead letter" },
  lost: { colour: "red", fill: false, shape: "octagon", mark: "?", words: "lost" },
  expired: { colour: "soft", fill: true, shape: "ribbon", mark: "–", words: "expired" },
};

// How each outcome of an attempt looks on the timeline: its hatch, as a path in a square of 8.
export const HATCHES = {
  succeeded: "",
  retried: "M-2,2L2,-2M0,8L8,0M6,10L10,6",
  failed: "M0,0L8,8M8,0L0,8",
  killed: "M-2,6L2,10M0,0L8,8M6,-2L10,2",
  running: "M3,3h2v2h-2z",
};

// Orange is too light for a line on a light page: it has a darker edge there.
export const edgeOf = (look) => (look.colour === "orange" ? "amber" : look.colour);

export function isDark() {
  const lab = document.querySelector("[data-jp-theme-light]")?.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false";
  const { classList } = document.body;
  // A light theme of high contrast has both of these classes.
  if (classList.contains("vscode-high-contrast-light")) return false;
  if (classList.contains("vscode-dark") || classList.contains("vscode-high-contrast")) return true;
  return !classList.contains("vscode-light") && window.matchMedia("(prefers-color-scheme: dark)").matches;
}

// The reader's wish, or VS Code's own setting for it.
export const isCalm = () => document.body.classList.contains("vscode-reduce-motion")
  || window.matchMedia("(prefers-reduced-motion: reduce)").matches;

export function paletteOf(el) {
  const style = getComputedStyle(el);
  const palette = { font: style.fontFamily };
  for (const name of COLOURS) palette[name] = style.getPropertyValue(`--sb-${name}`).trim();
  return palette;
}
