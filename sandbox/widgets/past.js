// The past: what a page has been told of a run, as a history. No DOM.

import { History } from "./fold.js";

// The rows of a text; a text that is no JSON is one broken row.
export function eventsOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return [String(text).slice(0, 80)];
  }
}

// The history that a model tells of. Where pictures share a model and its moment, as on an exported
// page, they share its `histories` too: 100,000 events are folded once, not once a picture.
export function historyFor(model, topology) {
  const text = model.get("past") || "[]";
  const history = model.histories?.get(text) ?? new History(topology, eventsOf(text));
  model.histories?.set(text, history);
  return history;
}

// Take a message of the kernel; return whether the history has what it tells. What was missed is
// asked for again, and what another picture of the model has taken already is not taken twice.
export function taken(history, model, said) {
  if (said?.kind !== "events") return false;
  const missing = said.from - history.length;
  if (missing > 0) {
    model.send?.({ kind: "want", from: history.length });
    return false;
  }
  history.append(eventsOf(said.text).slice(-missing));
  return true;
}
