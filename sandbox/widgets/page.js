// The page: one model for all pictures, which stands where a notebook's kernel would.

const listeners = new Map();
const traits = { head, past: "[]", cursor_s: 0, focus: "", log: [], ...given };
const model = {
  histories: new Map(),
  get: (name) => traits[name],
  set(name, value) {
    if (traits[name] === value) return;
    traits[name] = value;
    for (const act of listeners.get(`change:${name}`) ?? []) act();
  },
  on: (name, act) => listeners.set(name, [...(listeners.get(name) ?? []), act]),
  off: (name, act) => listeners.set(name, (listeners.get(name) ?? []).filter((one) => one !== act)),
  save_changes() {},
};

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

try {
  traits.past = await unpacked(document.getElementById("past").textContent);
  for (const [name, widget] of Object.entries(widgets)) {
    const stop = widget.render({ model, el: document.getElementById(name) });
    if (name === "board") window.sandboxView = stop.view;
  }
  document.body.dataset.state = "ready";
} catch (error) {
  document.body.dataset.state = "broken";
  const told = document.createElement("p");
  told.textContent = `This page cannot show its run: ${error.message}`;
  document.querySelector("main").prepend(told);
}
