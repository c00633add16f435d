// Link: pictures share their cursor, their motion and the task that is chosen. It has nothing to
// show. Unlike a jslink, it tells the kernel nothing of each frame.

const SHARED = ["motion", "cursor_s", "focus"]; // In this order: who is told of a stop then goes there.

async function initialize({ model }) {
  const ids = model.get("pictures").map((name) => name.replace("IPY_MODEL_", ""));
  const found = await Promise.all(ids.map((id) => model.widget_manager.get_model(id)));
  const stops = found.flatMap((from) => SHARED.map((name) => {
    const act = () => {
      for (const to of found) if (to !== from && to.get(name) !== from.get(name)) to.set(name, from.get(name));
    };
    from.on(`change:${name}`, act);
    return () => from.off(`change:${name}`, act);
  }));
  return () => stops.forEach((stop) => stop());
}

export default { initialize };
