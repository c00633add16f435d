// The live board: draws the trait `state` (counters) and `log` (sentences). No build, no CDN.

const BY_HAND = 1_000_000_000; // sandbox.schedule: numbers from here on were submitted by hand
const MAX_DOTS = 24;
const MAX_SLOTS = 16;
const STRIP = { width: 600, height: 72 };
const LINES = [
  { index: 1, name: "queued", css: "queued", dash: "" },
  { index: 2, name: "running", css: "running", dash: "6 3" },
  { index: 3, name: "unacked of dead workers", css: "waiting", dash: "2 3" },
];
const OUTCOMES = [
  ["done", "✓", "done"],
  ["failed", "✗", "failed"],
  ["retried", "⟲", "retried"],
  ["redelivered", "↻", "redelivered"],
  ["lost", "?", "lost"],
  ["duplicated", "‡", "duplicated"],
  ["stuck", "■", "stuck"],
];
const HARMS = ["lost", "duplicated", "stuck"]; // sandbox.widgets.tally: those in `harmed`

function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function s(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function counter(id, label, n, css, mark) {
  const attributes = { class: `sb-card sb-${css}`, "data-id": id, "data-n": n };
  const sign = h("span", { class: "sb-mark", "aria-hidden": "true" }, mark);
  return h("div", attributes, sign, h("span", { class: "sb-label" }, label), h("b", {}, String(n)));
}

function dots(n) {
  const shown = Math.min(n, MAX_DOTS);
  const row = h("div", { class: "sb-dots", "aria-hidden": "true" });
  for (let i = 0; i < shown; i += 1) row.append(h("i", {}));
  if (n > shown) row.append(`+${n - shown}`);
  return row;
}

function queue([name, depth]) {
  const head = h("div", { class: "sb-head" }, h("span", {}, name), h("b", {}, String(depth)));
  return h("div", { class: "sb-card sb-queue", "data-id": `queue:${name}`, "data-n": depth },
    head, dots(depth));
}

function short(task) {
  const [kind, number] = [task.slice(0, task.lastIndexOf("/")), task.slice(task.lastIndexOf("/") + 1)];
  const n = Number(number);
  // The number comes first: the end of a long name is cut off.
  return `${n >= BY_HAND ? `hand ${n - BY_HAND}` : number} ${kind.split(".").pop()}`;
}

function slot(task) {
  const state = task === null ? "idle" : "busy";
  return h("div", { class: `sb-slot sb-${state}`, title: task ?? "idle", "data-state": state },
    task === null ? "idle" : short(task));
}

function slots(worker, busy) {
  if (worker.slots.length > MAX_SLOTS) {
    return h("meter", { min: 0, max: worker.slots.length, value: busy, "aria-label": "busy" });
  }
  return h("div", { class: "sb-slots" }, ...worker.slots.map(slot));
}

function worker(item) {
  const busy = item.slots.filter((task) => task !== null).length;
  const marks = { up: "▲ up", down: "▼ down", killed: "✖ killed" };
  const held = item.held ? `, ${item.held} of them held` : "";
  return h("div", {
    class: `sb-card sb-worker sb-${item.state}`, "data-id": `worker:${item.name}`,
    "data-state": item.state, "data-busy": busy,
  },
  h("div", { class: "sb-head" }, h("span", {}, item.name),
    h("span", { class: "sb-state" }, marks[item.state] ?? item.state)),
  ...(item.state === "up" ? [slots(item, busy), h("div", { class: "sb-note" },
    `${busy} of ${item.slots.length} busy · ${item.reserved} reserved${held}`)] : []));
}

function column(title, note, ...children) {
  const head = h("div", { class: "sb-title" }, title, " ", h("small", {}, note));
  return h("section", { class: "sb-column", "aria-label": title }, head, ...children);
}

function path(points, index, x, y) {
  let d = "";
  points.forEach((point, i) => {
    d += i === 0 ? `M${x(point[0])},${y(point[index])}` : `H${x(point[0])}V${y(point[index])}`;
  });
  return d;
}

function strip(points) {
  const { width, height } = STRIP;
  const first = points.length ? points[0][0] : 0;
  const last = points.length ? points[points.length - 1][0] : 1;
  const span = Math.max(last - first, 1);
  const peak = Math.max(1, ...points.flatMap((point) => point.slice(1)));
  const x = (t) => (((t - first) / span) * width).toFixed(1);
  const y = (n) => (height - 2 - (n / peak) * (height - 6)).toFixed(1);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
    class: "sb-strip", role: "img",
    "aria-label": `Queued, running and unacked from ${first} to ${last} s; highest ${peak}` });
  for (const line of LINES) {
    svg.append(s("path", { d: path(points, line.index, x, y), class: `sb-line sb-line-${line.css}`,
      "stroke-dasharray": line.dash }));
  }
  return { svg, first, last, peak };
}

function timeline(points) {
  const drawn = strip(points);
  const key = h("span", { class: "sb-key" }, ...LINES.map((line) => h("span", {},
    h("i", { class: `sb-swatch sb-swatch-${line.css}`, "aria-hidden": "true" }), line.name)));
  const axis = h("div", { class: "sb-axis" }, h("span", {}, `${drawn.first.toFixed(0)} s`),
    h("span", {}, `highest: ${drawn.peak}`), h("span", {}, `${drawn.last.toFixed(0)} s`));
  return h("section", { class: "sb-time", "aria-label": "Over time" }, key, drawn.svg, axis);
}

function outcome(state, [id, mark, css]) {
  const card = counter(id, id, state[id], css, mark);
  const tasks = state.harmed[HARMS.indexOf(id)] ?? [];
  if (tasks.length) {
    const more = state[id] > tasks.length ? ` and ${state[id] - tasks.length} more` : "";
    card.append(h("div", { class: "sb-note" }, tasks.map(short).join(", ") + more));
  }
  return card;
}

function board(state) {
  const dead = counter("waiting", "unacked of dead workers", state.waiting, "waiting", "!");
  dead.append(h("div", { class: "sb-note" }, "waiting for the visibility timeout"));
  const totals = h("div", { class: "sb-totals" },
    counter("reserved", "reserved", state.reserved, "reserved", "○"),
    counter("running", "running", state.running, "running", "●"));
  return [
    h("div", { class: "sb-columns" },
      column("Queues", "in the broker", ...state.queues.map(queue), dead),
      column("Workers", "reserve, then run", totals, ...state.workers.map(worker)),
      column("Outcomes", "so far", ...OUTCOMES.map((one) => outcome(state, one)))),
    timeline(state.strip ?? []),
  ];
}

function render({ model, el }) {
  const live = h("div", { class: "sb-live" });
  const log = h("div", { class: "sb-log", role: "status", "aria-live": "polite" });
  el.classList.add("sb-board");
  el.append(live, log);
  const draw = () => {
    const state = model.get("state");
    if (state.queues === undefined) return;
    el.dataset.state = state.ended ? "ended" : "live";
    live.replaceChildren(...board(state));
  };
  const tell = () => {
    const lines = model.get("log");
    log.replaceChildren(...(lines.length ? lines : ["Press a button; what it did is told here."])
      .map((line) => h("div", {}, line)));
  };
  model.on("change:state", draw);
  model.on("change:log", tell);
  draw();
  tell();
  return () => {
    model.off("change:state", draw);
    model.off("change:log", tell);
  };
}

export default { render };
