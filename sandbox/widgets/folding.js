// Folding: a picture in a section that is folded at first. Folded, it is not even made: what the
// kernel sends is kept as it came, so that opening it needs no kernel.

import { h } from "./structure.js";

// `make(model, el)` returns an object with a `reading`; this returns what takes it away again.
export function shownIn({ model, el }, make) {
  const words = model.get("fold");
  if (!words) {
    const { reading } = make(model, el);
    return () => reading.stop();
  }
  let reading = null;
  const [place, waiting] = [h("div", {}), []];
  const keep = (said) => { if (reading === null) waiting.push(said); };
  const node = h("details", { class: "sb-fold" }, h("summary", {}, words), place);
  node.addEventListener("toggle", () => {
    if (reading === null && node.open) {
      ({ reading } = make(model, place));
      reading.waiting = waiting;
    }
    reading?.sleep(!node.open);
  });
  // JupyterLab has meanings of its own for these keys.
  node.firstChild.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") event.stopPropagation();
  });
  model.on("msg:custom", keep);
  el.replaceChildren(node);
  return () => {
    model.off("msg:custom", keep);
    reading?.stop();
  };
}
