// Probe: what a reader sees of a page's texts: each with its box, colour and size.

const OWN_TEXT = ["SELECT", "INPUT", "TEXTAREA"];

function clippedBy(node, rect) {
  let { left, top, right, bottom } = rect;
  for (let up = node; up instanceof Element && up !== document.body; up = up.parentElement) {
    const style = getComputedStyle(up);
    if (style.overflowX === "visible" && style.overflowY === "visible") continue;
    if (up instanceof SVGElement && !(up instanceof SVGSVGElement)) continue;
    const box = up.getBoundingClientRect();
    [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
    [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
  }
  return { left, top, right, bottom };
}

function opacityOf(node) {
  let share = 1;
  for (let up = node; up instanceof Element; up = up.parentElement) share *= Number(getComputedStyle(up).opacity);
  return share;
}

function about(node, text, rect, pseudo) {
  const style = getComputedStyle(node, pseudo);
  if (style.visibility === "hidden") return [];
  const box = clippedBy(node, rect);
  if (box.right - box.left < 3 || box.bottom - box.top < 3) return [];
  const css = node instanceof SVGElement ? style.fill : style.color;
  const halo = style.paintOrder.startsWith("stroke") && parseFloat(style.strokeWidth) >= 3 ? style.stroke : null;
  return [{ text, css, halo, opacity: opacityOf(node), size: parseFloat(style.fontSize),
    box: [box.left + scrollX, box.top + scrollY, box.right + scrollX, box.bottom + scrollY],
    cut: rect.right - box.right > 1.5 || box.left - rect.left > 1.5 || rect.bottom - box.bottom > 4,
    told: Boolean(node.closest("[title]") ?? node.querySelector("title")),
    where: `${node.tagName.toLowerCase()}.${String(node.getAttribute("class") ?? "").replaceAll(" ", ".")}` }];
}

function ofField(node) {
  if (node.type === "range" || node.type === "checkbox" || node.closest(":disabled")) return [];
  const text = node.tagName === "SELECT" ? node.selectedOptions[0]?.text : node.value || node.placeholder;
  if (!text) return [];
  const { left, top, right, bottom } = node.getBoundingClientRect();
  const style = getComputedStyle(node);
  const rect = { left: left + parseFloat(style.paddingLeft) + 1, right: right - 18, top: top + 4, bottom: bottom - 4 };
  return about(node, text, rect, node.tagName === "INPUT" && !node.value ? "::placeholder" : null);
}

// A tip hides what is below it.
function isHidden(node, rect) {
  if (node.closest(".sb-tip")) return false;
  return [...document.querySelectorAll(".sb-tip:not([hidden])")].some((tip) => {
    const box = tip.getBoundingClientRect();
    return rect.left < box.right && rect.right > box.left && rect.top < box.bottom && rect.bottom > box.top;
  });
}

// Every text that is in sight below the roots.
function texts(roots) {
  const found = [];
  for (const root of document.querySelectorAll(roots)) {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const node = walk.currentNode;
      const up = node.parentElement;
      if (!node.data.trim() || !up.checkVisibility() || up.closest(".sb-voice, :disabled, option, textarea, title, style, script")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) if (!isHidden(up, rect)) found.push(...about(up, node.data.trim().slice(0, 60), rect, null));
    }
    for (const node of root.querySelectorAll(OWN_TEXT.join())) {
      if (node.checkVisibility()) found.push(...ofField(node));
    }
  }
  return found;
}

// Take the texts away and leave all that is behind them.
function bare(is) {
  document.getElementById("bare")?.remove();
  if (!is) return;
  const style = document.createElement("style");
  style.id = "bare";
  style.textContent = "* { -webkit-text-fill-color: transparent !important; caret-color: transparent !important; transition: none !important; }"
    + " ::placeholder { color: transparent !important; } svg text { fill: transparent !important; }";
  document.head.append(style);
}

window.probe = { texts, bare };
