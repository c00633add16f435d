// A model for a page without a kernel: it keeps the traits and tells of their changes.
const listeners = new Map();
const model = {
  get: (name) => data[name],
  set(name, value) {
    data[name] = value;
    for (const act of listeners.get(`change:${name}`) ?? []) act();
  },
  on: (name, act) => listeners.set(name, [...(listeners.get(name) ?? []), act]),
  off: (name, act) => listeners.set(name, (listeners.get(name) ?? []).filter((one) => one !== act)),
};
window.sandboxView = new View(model, document.getElementById("board"));
