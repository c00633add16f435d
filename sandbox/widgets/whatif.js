// The what-if sliders: writes the trait `wanted`, draws `shown`. No build, no CDN.

const KEPT = 100; // So many slider-to-pixel times are in the percentile.

function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function s(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function figure(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return size >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

export function percentile(times, share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function interval(band) {
  if (!band || band.some((end) => end === null) || band[0] === band[1]) return "";
  return `${figure(band[0])} … ${figure(band[1])}`;
}

// --- the controls ---------------------------------------------------------------------------

function knobNode(knob, place, moved) {
  const id = `sb-wi-${knob.id}-${Math.random().toString(36).slice(2)}`;
  const output = h("output", { for: id, "aria-live": "off", "data-knob": knob.id });
  const input = knob.is_choice
    ? h("select", { id, "data-id": knob.id, title: knob.tip },
      ...knob.texts.map((text, i) => h("option", { value: i }, text)))
    : h("input", { id, type: "range", min: 0, max: knob.texts.length - 1, step: 1,
      "data-id": knob.id, title: knob.tip });
  const told = () => {
    const text = knob.texts[Number(input.value)];
    const isMoved = Number(input.value) !== knob.start;
    output.dataset.moved = String(isMoved);
    output.textContent = knob.is_choice ? (isMoved ? "changed" : "") : text;
    if (!knob.is_choice) input.setAttribute("aria-valuetext", `${text}${isMoved ? ", changed" : ""}`);
  };
  // JupyterLab has meanings of its own for arrows: here they move the slider.
  input.dataset.lmSuppressShortcuts = "true";
  input.value = String(place ?? knob.start);
  input.addEventListener("input", (event) => {
    told();
    moved(knob.id, Number(input.value), event.timeStamp);
  });
  told();
  return h("div", { class: "sb-wi-knob" }, h("label", { for: id }, knob.label), output, input);
}

// One field for all task types, one for all pools: a list to choose from where there are more.
function groupNode(title, groups, places, moved) {
  const holder = h("div", {});
  const fill = (i) => holder.replaceChildren(
    ...groups[i].knobs.map((knob) => knobNode(knob, places()[knob.id], moved)));
  const choose = h("select", { "data-id": `choose:${title}` }, ...groups.map((group, i) => {
    const name = group.knobs[0].part;
    return h("option", { value: i }, name);
  }));
  const loaded = groups.findIndex((group) => group.knobs.some((knob) => knob.id.startsWith("rate:")));
  choose.value = String(Math.max(0, loaded));
  choose.addEventListener("change", () => fill(Number(choose.value)));
  fill(Number(choose.value));
  const node = h("div", { class: "sb-wi-group", role: "group", "aria-label": title },
    h("label", {}, title, choose), holder);
  return { node, refresh: () => fill(Number(choose.value)) };
}

// --- the figures ----------------------------------------------------------------------------

// At a share of the width; the mark itself keeps its shape however wide the picture is.
function mark(kind, x, y) {
  const shape = kind === "now" ? s("circle", { class: "sb-wi-now", r: 6 })
    : s("path", { class: "sb-wi-pin", d: "M0,-6l6,6l-6,6l-6,-6Z", "stroke-width": 2.5 });
  return s("svg", { x, y, overflow: "visible" }, shape);
}

// Now (a dot, below) and pinned (a diamond, above) on one scale from 0.
function dots(name, now, pinned) {
  const of = (figures) => [figures?.values[name], ...(figures?.bands[name] ?? [])]
    .filter((value) => value !== null && value !== undefined);
  const most = Math.max(...of(now), ...of(pinned), name === "utilisation" ? 1 : 0, 1e-9);
  const x = (value) => `${(4 + (Math.min(value, most) / most) * 92).toFixed(2)}%`;
  const svg = s("svg", { "aria-hidden": "true" },
    s("line", { class: "sb-wi-axis", x1: "4%", x2: "96%", y1: 15, y2: 15 }));
  for (const [kind, figures, y] of [["pin", pinned, 8], ["now", now, 22]]) {
    const value = figures?.values[name];
    if (value === null || value === undefined) continue;
    const band = figures.bands[name];
    if (band && !band.includes(null)) {
      svg.append(s("line", { class: `sb-wi-${kind}`, x1: x(band[0]), x2: x(band[1]),
        y1: y, y2: y, "stroke-width": 3 }));
    }
    svg.append(mark(kind, x(value), y));
  }
  return svg;
}

function cell(figures, name, strong) {
  const value = figure(figures?.values[name]);
  return h("td", { "data-value": figures?.values[name] ?? "" }, strong ? h("b", {}, value) : value,
    h("small", {}, interval(figures?.bands[name])));
}

function gap(difference) {
  if (!difference || difference[0] === null) return h("td", {}, "–");
  const [mean, low, high] = difference;
  const sign = mean > 0 ? "+" : "";
  const decided = low !== null && (low > 0 || high < 0);
  const words = low === null || low === high ? "" : `${interval([low, high])}${decided ? "" : " (unclear)"}`;
  return h("td", { "data-gap": mean }, `${sign}${figure(mean)}`, h("small", {}, words));
}

function table(rows, { now, pinned, difference }) {
  const heads = ["metric", "", pinned ? "◇ pinned" : null, "● now", pinned ? "now − pinned" : null];
  const names = rows.map(({ name, unit, meaning }) => h("tr", { "data-metric": name },
    h("th", { scope: "row", title: meaning }, name, unit ? h("small", {}, ` [${unit}]`) : ""),
    h("td", { class: "sb-wi-dots" }, dots(name, now, pinned)),
    pinned ? cell(pinned, name, false) : null, cell(now, name, true),
    pinned ? gap(difference?.[name]) : null));
  return h("table", { "aria-label": "Figures with the 95 % interval of the mean; now − pinned on the same draws" },
    h("thead", {}, h("tr", {}, ...heads.map((head) => (head === null ? null
      : h("th", { scope: "col" }, head || h("span", { "aria-hidden": "true" }, "")))))),
    h("tbody", {}, ...names));
}

function path(points, x, y, end) {
  let d = "";
  points.forEach(([t, n], i) => { d += i === 0 ? `M${x(t)},${y(n)}` : `H${x(t)}V${y(n)}`; });
  return `${d}H${x(end)}`;
}

function depth({ now, pinned }) {
  const lines = [["pin", pinned?.depth ?? []], ["now", now.depth]].filter(([, line]) => line.length);
  if (!lines.length) return h("div", { class: "sb-wi-foot" }, "Queue depth over time comes with the first run.");
  const all = lines.flatMap(([, line]) => line);
  const [end, peak] = [Math.max(...all.map(([t]) => t), 1e-9), Math.max(...all.map(([, n]) => n), 1)];
  const [x, y] = [(t) => ((t / end) * 600).toFixed(1), (n) => (126 - (n / peak) * 120).toFixed(1)];
  const svg = s("svg", { class: "sb-wi-depth", viewBox: "0 0 600 130", preserveAspectRatio: "none",
    role: "img", "aria-label": `Messages in the queues over ${figure(end)} s; highest ${peak}` });
  const legend = h("div", { class: "sb-wi-key" }, h("span", {}, "Messages in the queues, one run:"));
  for (const [kind, line] of lines) {
    svg.append(s("path", { class: `sb-wi-${kind}`, d: path(line, x, y, end) }));
    const dash = kind === "pin" ? { "stroke-dasharray": "6 4" } : {};
    legend.append(h("span", {}, s("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" },
      s("line", { class: `sb-wi-${kind}`, x1: 0, x2: 30, y1: 6, y2: 6, "stroke-width": 3, ...dash })),
    kind === "pin" ? "pinned" : "now"));
  }
  const ends = h("div", { class: "sb-wi-ends" }, h("span", {}, "0 s"),
    h("span", {}, `highest: ${peak}`), h("span", {}, `${figure(end)} s`));
  return h("section", { "aria-label": "Queue depth" }, legend, svg, ends);
}

function label(shown) {
  if (shown.error) {
    return h("div", { class: "sb-wi-label", "data-state": "error" }, h("b", {}, "No such scenario"),
      h("div", { class: "sb-wi-note" }, shown.error));
  }
  const state = shown.now.label.startsWith("refined") ? "refined" : "first";
  return h("div", { class: "sb-wi-label", "data-state": state, "data-n": shown.now.n },
    h("b", {}, shown.now.label),
    shown.pinned ? h("span", {}, `pinned: ${shown.pinned.label}`) : null,
    shown.now.note ? h("div", { class: "sb-wi-note" }, shown.now.note) : null);
}

// --- the widget -----------------------------------------------------------------------------

class Clock {
  // From an input event until the second frame after its first answer: then it has been painted.
  constructor(node) { this.node = node; this.asked = new Map(); this.times = []; }

  begin(number, stamp) { this.asked.set(number, stamp); }

  answered(number, kernelMs) {
    const stamp = this.asked.get(number);
    if (stamp === undefined) return;
    for (const older of [...this.asked.keys()]) if (older <= number) this.asked.delete(older);
    requestAnimationFrame(() => requestAnimationFrame((now) => this.tell(now - stamp, kernelMs)));
  }

  tell(ms, kernelMs) {
    this.times = [...this.times, ms].slice(-KEPT);
    const p95 = percentile(this.times, 0.95);
    Object.assign(this.node.dataset, { ms, kernelMs, n: this.times.length, p95 });
    this.node.textContent = `Slider to pixel: ${ms.toFixed(0)} ms, of which the kernel computed `
      + `${kernelMs.toFixed(0)} ms; 95 % of the last ${this.times.length} took at most ${p95.toFixed(0)} ms.`;
  }
}

function render({ model, el }) {
  const about = model.get("about");
  const held = { ...model.get("wanted") };
  const foot = h("div", { class: "sb-wi-foot", "data-id": "speed" }, "Move a slider: how long it takes until you see it is told here.");
  const clock = new Clock(foot);
  const status = h("div", { role: "status", "aria-live": "polite" });
  const figures = h("div", {});
  const want = (change, stamp = performance.now()) => {
    Object.assign(held, change, { number: Math.max(held.number, model.get("wanted").number) + 1 });
    clock.begin(held.number, stamp);
    figures.classList.add("sb-wi-stale");
    model.set("wanted", { ...held });
    model.save_changes();
    buttons();
  };
  const moved = (id, place, stamp) => want({ places: { ...held.places, [id]: place } }, stamp);
  const button = (name, tip, act) => {
    const node = h("button", { type: "button", title: tip }, name);
    node.addEventListener("click", act);
    return node;
  };
  const groups = [["Task type", "task "], ["Worker pool", ""]].map(([title]) => {
    const isTask = title === "Task type";
    const own = about.groups.filter((group) => group.name.startsWith("task ") === isTask
      && (isTask || !group.knobs.some((knob) => knob.id.startsWith("ack:"))));
    return groupNode(title, own, () => held.places, moved);
  });
  const pin = button("Pin", "Keep this configuration beside the next ones", () => want({ pinned: { ...held.places } }));
  const unpin = button("Unpin", "Compare with nothing", () => want({ pinned: null }));
  const back = button("Reset", "Put every slider back to where the scenario has it", () => {
    want({ places: {} });
    groups.forEach((group) => group.refresh());
  });
  const buttons = () => {
    unpin.disabled = held.pinned === null || held.pinned === undefined;
    back.disabled = Object.keys(held.places).length === 0;
  };
  const draw = () => {
    const shown = model.get("shown");
    if (shown.number === undefined || shown.number < held.number) return;
    status.replaceChildren(label(shown));
    figures.classList.toggle("sb-wi-stale", Boolean(shown.error));
    if (!shown.error) figures.replaceChildren(table(about.rows, shown), depth(shown));
    el.dataset.number = shown.number;
    clock.answered(shown.number, shown.kernel_ms);
  };
  const follow = () => {
    const wanted = model.get("wanted");
    if (wanted.number <= held.number) return;
    Object.assign(held, wanted);
    groups.forEach((group) => group.refresh());
    buttons();
  };
  el.classList.add("sb-whatif");
  el.append(
    h("div", { class: "sb-wi-head" }, h("div", { class: "sb-wi-title" }, `What if: ${about.name}`), pin, unpin, back),
    h("div", { class: "sb-wi-columns" },
      h("div", {}, ...groups.map((group) => group.node)),
      h("div", {}, status, figures)),
    foot,
    h("div", { class: "sb-wi-foot" }, `Model, ${about.overheads}; seed ${about.seed}. Intervals: 95 %, of the mean; now − pinned is paired, on the same draws.`));
  model.on("change:shown", draw);
  model.on("change:wanted", follow);
  buttons();
  draw();
  return () => {
    model.off("change:shown", draw);
    model.off("change:wanted", follow);
  };
}

export default { render };
