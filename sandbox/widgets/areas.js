// Areas: the boxes of the board that messages are drawn in, as the browser has laid them out.

// Each box by its name, and the node beside it that counts what finds no seat.
export function areasIn(inner, base) {
  const [areas, overs] = [new Map(), new Map()];
  for (const node of inner.querySelectorAll("[data-area]")) {
    const rect = node.getBoundingClientRect();
    const name = node.dataset.area;
    areas.set(name, { x: rect.left - base.left, y: rect.top - base.top, w: rect.width,
      h: rect.height, fromRight: name.startsWith("queue:"), centred: name.startsWith("slot:"),
      unnamed: name === "done", newestFirst: name === "done" });
    overs.set(name, node.querySelector(".sb-over"));
  }
  return { areas, overs };
}

// The area of a place: a worker with many processes has one for all, one of many workers a cell.
export function areaOf(areas, place) {
  if (areas.has(place)) return place;
  const [what, of] = place.split(":");
  if (what === "queue") return [...areas.keys()].find((name) => name.startsWith(`queue:${of}:`)) ?? "";
  return areas.has(`slots:${of}`) && what === "slot" ? `slots:${of}` : `cell:${of}`;
}

// A card that grows moves others, even where the whole stays as high as it was.
export function observeCards(sizes, inner) {
  for (const node of [inner, ...inner.querySelectorAll(".sb-card")]) sizes.observe(node);
}
