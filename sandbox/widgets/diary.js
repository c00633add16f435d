// The diary: what was done by hand, and the scenario that does it again. No build, no CDN.

function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// JupyterLab has meanings of its own for keys: inside the panel they belong to its fields.
function keepKeys(el, frames = 300) {
  const panel = el.closest(".sb-panel");
  if (panel) panel.dataset.lmSuppressShortcuts = "true";
  // The panel takes its parts in a while after they are made.
  else if (frames > 0) requestAnimationFrame(() => keepKeys(el, frames - 1));
}

function render({ model, el }) {
  const list = h("ol", { "aria-label": "What was done" });
  const said = h("p", { role: "status" });
  const text = h("textarea", { readonly: "", hidden: "", "aria-label": "The scenario, as JSON", spellcheck: "false" });
  text.dataset.lmSuppressShortcuts = "true";
  const copy = h("button", { type: "button", title: "The scenario with each deed as a fault at its time, as JSON" }, "Copy as scenario");
  const show = h("button", { type: "button", "aria-expanded": "false" }, "Show scenario");
  const reveal = (open) => {
    text.hidden = !open;
    show.setAttribute("aria-expanded", String(open));
    show.textContent = open ? "Hide scenario" : "Show scenario";
  };
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(model.get("scenario"));
      said.textContent = "Copied. Scenario.from_json(text) reads it.";
    } catch {
      // A page that is not trusted with the clipboard: the reader copies it by hand.
      reveal(true);
      text.select();
      said.textContent = "This page may not use the clipboard: copy the selected text.";
    }
  });
  show.addEventListener("click", () => reveal(text.hidden));
  const draw = () => {
    const lines = model.get("lines");
    list.replaceChildren(...lines.map((line) => h("li", {}, line)));
    list.hidden = lines.length === 0;
    list.scrollTop = list.scrollHeight;
    text.value = model.get("scenario");
    const left = model.get("left_out");
    said.textContent = left.length ? `Without a place in a scenario: ${left.join("; ")}` : "";
    copy.disabled = show.disabled = lines.length === 0;
    el.dataset.n = lines.length;
  };
  el.classList.add("sb-diary");
  el.append(h("div", { class: "sb-diary-head" }, h("b", {}, "Done by hand"), copy, show), list, said, text);
  model.on("change", draw);
  draw();
  requestAnimationFrame(() => keepKeys(el));
  return () => model.off("change", draw);
}

export default { render };
