// Links: the ways that messages take, from producers to queues and on to the workers that read them.

import { svg } from "./structure.js";

const MOST = 60; // More lines than that show nothing.

// A point of a node: share 0 is its left edge, 1 its right one.
export function middle(node, base, share) {
  const rect = node.getBoundingClientRect();
  return { x: rect.left - base.left + rect.width * share, y: (rect.top + rect.bottom) / 2 - base.top };
}

export function links(inner, topology, base) {
  const find = (id) => inner.querySelector(`[data-id="${CSS.escape(id)}"]`);
  const cards = (topology.queues ?? []).map((queue) => find(`queue:${queue.name}`));
  const from = middle(inner.querySelector(".sb-source"), base, 1);
  const lines = cards.map((card) => line(from, middle(card, base, 0)));
  for (const worker of topology.workers ?? []) {
    const card = find(`worker:${worker.name}`);
    if (card === null || card.classList.contains("sb-cell")) continue;
    for (const [i, queue] of topology.queues.entries()) {
      if (worker.queues.includes(queue.name)) {
        lines.push(line(middle(cards[i], base, 1), middle(card, base, 0)));
      }
    }
  }
  return lines.length > MOST ? [] : lines;
}

function line(a, b) {
  const x = (a.x + b.x) / 2;
  return svg("path", { d: `M${a.x},${a.y}C${x},${a.y} ${x},${b.y} ${b.x},${b.y}` });
}
