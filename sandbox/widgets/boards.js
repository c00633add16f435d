// Boards: runs side by side under one player, each with its strips of depth and latency.
// `board` and `curves` stand before this text, each a widget in a scope of its own.

const element = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

// One run's view of the model that all share: its own events, the common moment and task.
function viewOf(model, i, histories, extra) {
  const own = { head: { ...model.get("heads")[i], ...extra }, past: model.get("pasts")[i], log: [] };
  return {
    histories, // Folded once for both pictures of a run.
    get: (name) => own[name] ?? model.get(name),
    set: (name, value) => model.set(name, value),
    on: (name, act) => model.on(name, act),
    off: (name, act) => model.off(name, act),
    save_changes: () => model.save_changes(),
  };
}

function columnOf(model, i) {
  const [name, stops, histories] = [model.get("names")[i], [], new Map()];
  const [picture, strips] = [element("div", {}), element("div", {})];
  stops.push(board.render({ model: viewOf(model, i, histories), el: picture }));
  stops.push(curves.render({ model: viewOf(model, i, histories, { led: true }), el: strips }));
  const node = element("section", { class: "sb-column-of", "aria-label": name, "data-run": i },
    picture, strips);
  if (model.get("names").length > 1) node.prepend(element("h3", { class: "sb-run-name" }, name));
  return { node, picture, view: stops[0].view, stops };
}

const text = (value) => (value === null ? "–" : Number.isInteger(value) ? value.toLocaleString("en")
  : Number(value.toPrecision(3)).toString());

// What was counted in each run, the later ones with how far they are from the first.
function tableOf(model) {
  const cell = (tag, words, more = {}) => element(tag, more, words);
  const head = element("tr", {}, cell("th", "metric", { scope: "col" }),
    ...model.get("names").map((name) => cell("th", name, { scope: "col" })));
  const rows = model.get("rows").map(({ name, unit, values }) => {
    const same = values.every((value) => value === values[0]);
    return element("tr", { "data-metric": name, "data-same": same },
      cell("th", `${name} (${unit})`, { scope: "row" }),
      ...values.map((value) => cell("td", text(value), { "data-value": value ?? "" })));
  });
  return element("table", { class: "sb-numbers" }, head, ...rows);
}

// Draw what the model has now; return what ends it.
function drawn(model, el) {
  const columns = model.get("names").map((_, i) => columnOf(model, i));
  const [first, ...others] = columns;
  for (const { view } of others) {
    view.transport.node.remove();
    view.legend.remove();
  }
  el.classList.add("sb-board", "sb-boards");
  const theme = () => { el.dataset.theme = first.picture.dataset.theme; };
  const themes = new MutationObserver(theme);
  themes.observe(first.picture, { attributes: true, attributeFilter: ["data-theme"] });
  theme();
  const said = model.get("told").map((line) => element("li", {}, line));
  el.replaceChildren(element("ul", { class: "sb-told" }, ...said), first.view.transport.node,
    element("div", { class: "sb-columns" }, ...columns.map(({ node }) => node)));
  if (columns.length > 1) {
    const [whose] = model.get("names");
    first.view.transport.node.append(element("div", { class: "sb-note" }, `curve and marks: ${whose}`));
    el.append(tableOf(model));
  }
  el.append(first.view.legend);
  // Keys are the one player's, wherever among the pictures they are pressed.
  const key = (event) => first.view.key(event);
  el.addEventListener("keydown", key, true);
  return () => {
    el.removeEventListener("keydown", key, true);
    themes.disconnect();
    for (const { stops } of columns) for (const stop of stops) stop();
  };
}

function render({ model, el }) {
  let stop = drawn(model, el);
  const again = () => {
    stop();
    stop = drawn(model, el);
  };
  model.on("change:version", again); // The last of all that change together.
  return () => {
    model.off("change:version", again);
    stop();
  };
}

export default { render };
