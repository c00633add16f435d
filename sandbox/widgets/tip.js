// The tip: all that has happened to one message, in words, beside its dot.

import { h } from "./structure.js";

export function fillTip(tip, told) {
  const earlier = told.earlier ? [h("li", {}, `… ${told.earlier} earlier`)] : [];
  tip.replaceChildren(h("strong", {}, told.title),
    h("div", { class: "sb-note" }, `delivery ${told.tries}: ${told.where}`),
    h("ol", {}, ...earlier, ...told.lines.map(([t, words]) => h("li", {}, h("time", {}, t), words))));
}

// Right of the dot or left of it, and never out of the board.
export function placeTip(tip, dot, board, canvas) {
  const x = (dot?.tx ?? 0) + canvas.left - board.left;
  const y = (dot?.ty ?? 0) + canvas.top - board.top;
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  const left = x + 18 + width > board.width ? x - width - 18 : x + 18;
  const top = Math.min(y < board.height / 2 ? y - 10 : y - height + 14, board.height - height - 4);
  tip.style.left = `${Math.max(2, Math.min(left, board.width - width - 2))}px`;
  tip.style.top = `${Math.max(2, top)}px`;
}
