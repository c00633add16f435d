// Picks: a worker, or a slot of it, chosen on the board for the panel's controls.

import { slotName } from "./places.js";

const PICK_KEYS = ["Enter", " "];

// Only a board that a panel has lets its reader pick: `picked` is "@worker" or "slot@worker" there.
export class Picks {
  constructor(model, root, isDot) {
    this.model = model;
    this.root = root;
    this.isDot = isDot;
    this.isOn = typeof model.get("picked") === "string";
  }

  // Returns what ends it.
  listen() {
    if (!this.isOn) return [];
    const click = (event) => { if (!this.isDot(event)) this.take(event); };
    const key = (event) => { if (PICK_KEYS.includes(event.key)) this.take(event); };
    const change = () => this.show(this.model.get("picked") ?? "");
    this.root.addEventListener("click", click);
    this.root.addEventListener("keydown", key);
    this.model.on("change:picked", change);
    return [() => this.root.removeEventListener("click", click),
      () => this.root.removeEventListener("keydown", key),
      () => this.model.off("change:picked", change)];
  }

  // Make workers and slots buttons; again whenever they have been built anew.
  offer() {
    if (!this.isOn) return;
    for (const node of this.root.querySelectorAll(".sb-worker")) {
      const name = node.dataset.id.slice("worker:".length);
      const head = node.querySelector(".sb-head") ?? node;
      pickable(head, `@${name}`, `Choose ${name}`);
      node.querySelectorAll(".sb-slot").forEach((cell, i) => {
        pickable(cell, `${i}@${name}`, `Choose ${slotName(i)} of ${name}`);
      });
    }
    this.show(this.model.get("picked"));
  }

  take(event) {
    const pick = event.target.closest("[data-pick]")?.dataset.pick;
    if (pick === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // The board plays and pauses with the space bar.
    // A message: saving the model would send the cursor, too, whose echo stops a live picture.
    this.model.send({ kind: "pick", picked: pick });
    this.show(pick);
  }

  // With Tab one comes to every worker, and to the slots of the one that is picked.
  show(picked) {
    const worker = picked.slice(picked.indexOf("@"));
    for (const node of this.root.querySelectorAll("[data-pick]")) {
      const pick = node.dataset.pick;
      node.setAttribute("aria-pressed", String(pick === picked));
      node.tabIndex = pick.startsWith("@") || pick.endsWith(worker) ? 0 : -1;
    }
  }
}

function pickable(node, pick, label) {
  node.dataset.pick = pick;
  node.setAttribute("role", "button");
  node.setAttribute("aria-label", label);
}
