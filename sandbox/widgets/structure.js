// The board's structure in the DOM: queues, workers, outcomes; built once, then only renumbered.

import { LOOKS } from "./looks.js";
import { numberOf, owns, workerOf } from "./journeys.js";
import { numberText, typeText, duration } from "./places.js";

export const GROUPED_FROM = 13; // As many workers are shown as cells of their pool's card.
const MOST_SLOTS = 16;

export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function svg(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// Write only what differs: a node that is set is laid out again.
export function setText(node, text) {
  if (node.firstChild?.nodeValue !== text) node.textContent = text;
}

function setTitle(node, text) {
  if (node.title !== text) node.title = text;
}

export function setData(node, name, value) {
  const text = String(value);
  if (node.dataset[name] !== text) node.dataset[name] = text;
}

function box(area, css = "", over = true) {
  const node = h("div", { class: `sb-box ${css}`, "data-area": area, "aria-hidden": "true" });
  if (over) node.append(h("span", { class: "sb-over" }));
  return node;
}

function column(title, note, css, ...children) {
  const head = h("h3", { class: "sb-title" }, title, h("small", {}, note));
  return h("section", { class: `sb-column sb-${css}`, "aria-label": title }, head, ...children);
}

function queueCard(queue, roomy) {
  const head = h("div", { class: "sb-head" }, h("span", { class: "sb-name", title: queue.name }, queue.name),
    h("b", {}, "0"));
  const steps = queue.steps.map((step) => h("div", { class: "sb-step" },
    queue.steps.length > 1 ? h("span", { class: "sb-note" }, `priority step ${step}`) : null,
    box(`queue:${queue.name}:${step}`, roomy)));
  return h("div", { class: "sb-card sb-queue", "data-id": `queue:${queue.name}`, "data-n": 0 },
    head, ...steps);
}

function slotCell(worker, i) {
  return h("div", { class: "sb-slot", "data-state": "idle" }, box(`slot:${worker.name}:${i}`, "", false),
    h("span", { class: "sb-what" }, "idle"), h("span", { class: "sb-since" }));
}

function workerCard(worker, holds) {
  const slots = h("div", { class: "sb-slots" });
  const many = worker.most > MOST_SLOTS;
  if (many) slots.append(box(`slots:${worker.name}`, "sb-wide"));
  else for (let i = 0; i < worker.slots; i += 1) slots.append(slotCell(worker, i));
  const lane = (area, words) => h("div", { class: "sb-lane" },
    h("span", { class: "sb-note" }, words, " ", h("b", {}, "0")), box(area));
  const held = holds ? lane(`held:${worker.name}`, "held") : null;
  return h("div", {
    class: "sb-card sb-worker", "data-id": `worker:${worker.name}`, "data-state": "up", "data-busy": 0,
  }, h("div", { class: "sb-head" }, h("span", { class: "sb-name", title: worker.name }, worker.name),
    h("span", { class: "sb-state" }, "")),
  h("div", { class: "sb-inside" }, h("div", { class: "sb-lanes" },
    lane(`reserved:${worker.name}`, "prefetched"), held), slots));
}

function workerCell(worker) {
  return h("div", { class: "sb-cell sb-worker", title: worker.name, "data-id": `worker:${worker.name}`,
    "data-state": "up", "data-busy": 0 }, h("span", { class: "sb-state" }, ""),
  box(`cell:${worker.name}`));
}

function poolCards(workers) {
  const pools = new Map();
  for (const worker of workers) pools.set(worker.pool, [...(pools.get(worker.pool) ?? []), worker]);
  return [...pools].map(([name, members]) => h("div", { class: "sb-card sb-pool", "data-pool": name },
    h("div", { class: "sb-head" }, h("span", { class: "sb-name" }, `${name} × ${members.length}`),
      h("span", { class: "sb-state" }, "")),
    h("div", { class: "sb-cells" }, ...members.map(workerCell))));
}

const OUTCOMES = [
  ["done", "Done", "done", true], ["retry", "Retry wait", "retry", false],
  ["failed", "Failed", "failed", true], ["dead", "Dead letter", "dead", true],
  ["lost", "Lost", "lost", true], ["expired", "Expired", "expired", true],
];
const TOTALS = [["running", "running"], ["reserved", "prefetched"], ["unacked", "unacked"],
  ["redelivered", "redelivered"], ["retried", "retried"], ["duplicated", "ran twice"], ["lost", "lost"]];

function outcomeCard([id, title, look, dots]) {
  const head = h("div", { class: "sb-head" }, h("span", { class: "sb-name" }, title), h("b", {}, "0"));
  return h("div", { class: `sb-card sb-outcome sb-is-${LOOKS[look].colour}`, "data-id": id, "data-n": 0 },
    head, dots ? box(id) : h("div", { class: "sb-note" }, "held on their workers"));
}

// All of the stage; `holds`: whether anything is ever held for an ETA or a rate limit.
export function stage(topology, holds) {
  const queues = topology.queues ?? [];
  const workers = topology.workers ?? [];
  const roomy = queues.length <= 2 ? "sb-tall" : queues.length <= 6 ? "sb-mid" : "";
  const shown = workers.length >= GROUPED_FROM ? poolCards(workers)
    : workers.map((worker) => workerCard(worker, holds));
  const limbo = h("section", { class: "sb-card sb-limbo", "aria-label": "Unacked, no owner",
    "data-id": "waiting", "data-n": 0 },
  h("div", { class: "sb-head" }, h("span", { class: "sb-name" }, "Unacked, no owner"),
    h("span", { class: "sb-note" }, "back in its queue by the first sweep after the "
      + `visibility timeout of ${duration(topology.vt_s ?? 3600)}`), h("b", {}, "0")),
  box("limbo"));
  return [
    column("Producers", "", "producers", h("div", { class: "sb-card sb-source" },
      h("span", { class: "sb-arrow", "aria-hidden": "true" }, "▶"), h("b", {}, "0"),
      h("span", { class: "sb-note" }, "sent"))),
    column("Queues", "in the broker", "queues", ...queues.map((queue) => queueCard(queue, roomy)),
      h("div", { class: "sb-card sb-down", hidden: "" }, "")),
    column("Workers", "prefetch → slots", "workers", ...shown),
    column("Outcomes", "so far", "outcomes", ...OUTCOMES.map(outcomeCard)), limbo,
  ];
}

// The counters that are always in sight; the last two are what nobody wants.
export function totalsRow() {
  return h("div", { class: "sb-totals" }, ...TOTALS.map(([id, words]) => h("span", {
    class: `sb-total sb-total-${id}`, "data-id": id, "data-n": 0 }, h("b", {}, "0"), ` ${words}`)));
}

export function legend() {
  const item = ([look, { words }]) => h("span", {}, h("canvas", { "data-look": look, width: 20,
    height: 20, "aria-hidden": "true" }), words);
  return h("div", { class: "sb-legend", "aria-label": "Legend" }, ...Object.entries(LOOKS).map(item),
    h("span", {}, "7·2 or a violet ring: delivered for the second time"));
}

export function assumptions(topology) {
  const lines = (topology.assumptions ?? []).map((line) => h("li", {}, line));
  return h("details", { class: "sb-assumptions" },
    h("summary", {}, `Assumptions (${lines.length})`), h("ul", {}, ...lines));
}

// --- what is written anew when the state is another --------------------------------------------

// What a selector finds below a node. Asking the browser anew ten times a second would cost more
// than all else in a frame; `forgetNodes` is for who has changed what is below a node.
const foundNodes = new WeakMap();
const every = (node, selector) => {
  let mine = foundNodes.get(node);
  if (mine === undefined) foundNodes.set(node, (mine = new Map()));
  let nodes = mine.get(selector);
  if (nodes === undefined) mine.set(selector, (nodes = [...node.querySelectorAll(selector)]));
  return nodes;
};
const only = (node, selector) => every(node, selector)[0] ?? null;

export function forgetNodes(node) { foundNodes.delete(node); }

const STATES = { up: "▲ up", paused: "‖ paused", down: "▼ down", killed: "✖ killed" };

export function renumber(root, state, t, sums) {
  for (const [id, n] of [...Object.entries(sums), ["duplicated", sums.twice], ["waiting", sums.orphaned],
    ["retry", waiting(state)]]) {
    for (const node of every(root, `[data-id="${id}"]`)) number(node, n);
  }
  setText(only(root, ".sb-source b"), String(sums.published));
  const expired = only(root, '.sb-outcome[data-id="expired"]');
  if (expired) expired.hidden = sums.expired === 0;
  const inside = countedIn(state);
  for (const queue of state.topology.queues ?? []) {
    const node = only(root, `[data-id="${CSS.escape(`queue:${queue.name}`)}"]`);
    if (node) number(node, inside.depths.get(queue.name) ?? 0);
  }
  brokerState(root, state, t);
  for (const [i, worker] of (state.topology.workers ?? []).entries()) {
    workerState(root, state, inside, worker, i, t);
  }
  for (const card of every(root, ".sb-pool")) poolState(card, state);
}

const grouped = new Intl.NumberFormat("en");

function number(node, n) {
  if (node.dataset.n === String(n)) return;
  node.dataset.n = n;
  const shown = only(node, "b");
  if (shown) setText(shown, grouped.format(n));
}

// How many messages each queue has and each worker holds: one look at each that is in motion.
function countedIn(state) {
  const { crowd, topology } = state;
  const depths = new Map((topology.queues ?? []).map(({ name }, i) => [name, crowd?.queues?.[i] ?? 0]));
  const lanes = new Map((topology.workers ?? []).map(({ name }, i) =>
    [name, { held: 0, reserved: crowd?.reserved?.[i] ?? 0, busy: new Map() }]));
  for (const task of state.active) {
    const journey = state.journeys.get(task);
    if (journey.nQueued > 0) depths.set(journey.queue, (depths.get(journey.queue) ?? 0) + journey.nQueued);
    for (const [tag, worker] of journey.unacked) {
      const lane = lanes.get(worker);
      if (lane === undefined || !owns(state, journey, worker, tag)) continue;
      if (journey.held.has(tag)) lane.held += 1;
      else if (![...journey.running].some((where) => workerOf(where) === worker)) lane.reserved += 1;
    }
  }
  for (const [where, { task, delivery }] of state.slots) {
    const attempt = state.journeys.get(task)?.attempts[delivery - 1];
    lanes.get(workerOf(where))?.busy.set(numberOf(where), { task, attempt });
  }
  return { depths, lanes };
}

function waiting(state) {
  let n = 0;
  for (const task of state.active) {
    const journey = state.journeys.get(task);
    if (journey.nRetried > 0) n += [...journey.held.values()].filter(({ why }) => why === "eta").length;
  }
  return n;
}

function brokerState(root, state, t) {
  const node = only(root, ".sb-down");
  const broken = [...state.dependencies].filter(([, up]) => !up).map(([name]) => `${name} is down`);
  const { state: how, since } = state.broker;
  if (how !== "up") broken.unshift(`✖ broker ${how} for ${duration(Math.max(0, t - since))}`);
  node.hidden = broken.length === 0;
  setText(node, broken.join("; "));
}

function workerState(root, state, inside, { name, most }, i, t) {
  const node = only(root, `[data-id="${CSS.escape(`worker:${name}`)}"]`);
  const worker = state.workers.get(name);
  if (!node || !worker) return;
  const lane = inside.lanes.get(name);
  const { busy } = lane;
  const extra = state.crowd?.running_on?.[i] ?? 0;
  setData(node, "state", worker.state);
  setData(node, "busy", busy.size + extra);
  const since = worker.state === "up" ? "" : ` ${duration(Math.max(0, t - worker.since))} ago`;
  const link = worker.link ? `, ${worker.link}` : "";
  if (node.classList.contains("sb-cell")) {
    setText(only(node, ".sb-state"), STATES[worker.state].slice(0, 1));
    setTitle(node, `${name}: ${worker.state}${link}, ${busy.size + extra} of ${worker.slots} busy`);
    return;
  }
  setText(only(node, ".sb-state"), `${STATES[worker.state]}${since}${link}`);
  const [first, second] = every(node, ".sb-lane .sb-note b");
  setText(first, String(lane.reserved));
  if (second) setText(second, String(lane.held));
  const slots = every(node, ".sb-slot");
  if (most <= MOST_SLOTS) {
    slots.forEach((cell, k) => slotState(cell, state, busy.get(k), k < worker.slots, t, worker.state));
  }
}

function slotState(cell, state, running, exists, t, worker) {
  setData(cell, "state", running ? "busy" : "idle");
  const [words, since] = [only(cell, ".sb-what"), only(cell, ".sb-since")];
  if (running) {
    const { task, attempt } = running;
    setText(words, typeText(task));
    setText(since, duration(Math.max(0, t - (attempt?.startedS ?? t))));
    setTitle(cell, `${typeText(task)} ${numberText(task)}, delivery ${attempt?.delivery ?? 1}`);
    return;
  }
  setText(words, worker === "killed" || worker === "down" ? "–" : exists ? "idle" : "off");
  setText(since, "");
  setTitle(cell, "");
}

function poolState(card, state) {
  const counts = {};
  for (const cell of every(card, ".sb-cell")) {
    counts[cell.dataset.state] = (counts[cell.dataset.state] ?? 0) + 1;
  }
  const words = Object.entries(counts).map(([name, n]) => `${n} ${name}`).join(", ");
  setText(only(card, ".sb-state"), words);
}

// Tell where a player is, by its clock, its button to play and its list of speeds.
export function tellPlayer({ time, play, speed }, player) {
  setText(time, `${player.t.toFixed(2)} s`);
  setText(play.firstChild, player.moving ? "‖" : "▶");
  const name = player.moving ? "Pause" : "Play";
  if (play.title !== name) {
    play.title = name;
    play.setAttribute("aria-label", name);
  }
  const factor = player.live ? "live" : String(player.speed);
  if (speed.value !== factor) speed.value = factor;
}
