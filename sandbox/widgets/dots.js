// Dots: the messages on a canvas. Each keeps its identity and moves from place to place.

import { edgeOf, LOOKS } from "./looks.js";
import { labelOf } from "./places.js";

const MOST_SPRITES = 4000;
const ease = (x) => 1 - (1 - x) ** 3;

export class Dots {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.byTask = new Map();
    this.all = [];
    this.sprites = new Map();
    this.ratio = 1;
    this.palette = {};
  }

  resize(width, height, ratio) {
    this.ratio = ratio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.sprites = new Map();
  }

  paint(palette) {
    this.palette = palette;
    this.sprites = new Map();
  }

  // Have the dots go to their targets within `ms`; what is new comes from `source`.
  go(targets, now, ms, source) {
    const old = this.byTask;
    this.byTask = new Map();
    this.all = targets.map((target) => {
      const dot = take(old, target) ?? fresh(target, source);
      if (ms <= 0) Object.assign(dot, { x: target.x, y: target.y, tx: target.x, ty: target.y });
      else if (dot.tx !== target.x || dot.ty !== target.y) {
        Object.assign(dot, { fx: dot.x, fy: dot.y, tx: target.x, ty: target.y, t0: now, ms });
      }
      dot.copy = target;
      const mates = this.byTask.get(target.task);
      if (mates === undefined) this.byTask.set(target.task, [dot]);
      else mates.push(dot);
      return dot;
    });
  }

  // Draw all; return whether any of them is still on its way.
  draw(now, marked = null) {
    const { context: c, ratio } = this;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, this.canvas.width / ratio, this.canvas.height / ratio);
    let moving = false;
    for (const dot of this.all) {
      if (dot.x !== dot.tx || dot.y !== dot.ty) {
        const share = Math.min(1, Math.max(0, (now - dot.t0) / dot.ms));
        dot.x = share === 1 ? dot.tx : dot.fx + (dot.tx - dot.fx) * ease(share);
        dot.y = share === 1 ? dot.ty : dot.fy + (dot.ty - dot.fy) * ease(share);
        moving ||= share < 1;
      }
      this.#one(dot, dot.copy.task === marked);
    }
    return moving;
  }

  #one(dot, isMarked) {
    const { context: c, palette, ratio } = this;
    const { copy } = dot;
    // What a dot looks like is found once a change, not once a frame.
    if (dot.stampOf !== copy || dot.stamp.sprites !== this.sprites) {
      dot.stamp = this.#stamp(copy);
      dot.stampOf = copy;
    }
    const { image, w, h } = dot.stamp;
    // On whole pixels a stamp is copied; between them it would be mixed anew from its neighbours.
    c.drawImage(image, Math.round((dot.x - w / 2) * ratio) / ratio,
      Math.round((dot.y - h / 2) * ratio) / ratio, w, h);
    if (copy.ring !== undefined) this.#arc(dot, copy.r + 3, copy.ring);
    if (copy.noted) {
      c.font = `12px ${palette.font}`;
      c.textAlign = "left";
      c.textBaseline = "middle";
      c.fillStyle = palette.text;
      c.fillText(copy.note, dot.x + this.#half(copy) + 7, dot.y + 0.5);
    }
    if (!isMarked) return;
    c.strokeStyle = palette.text;
    c.lineWidth = 2;
    c.beginPath();
    c.arc(dot.x, dot.y, this.#half(copy) + 4, 0, 2 * Math.PI);
    c.stroke();
  }

  #arc(dot, r, share) {
    const { context: c, palette } = this;
    c.strokeStyle = palette.red;
    c.lineWidth = 3;
    c.beginPath();
    const half = this.#half(dot.copy);
    if (half > r) {
      // A ring would cross the label of a wide one: its clock is a bar below it.
      c.moveTo(dot.x - half, dot.y + r - 1);
      c.lineTo(dot.x - half + 2 * half * share, dot.y + r - 1);
    } else c.arc(dot.x, dot.y, r, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * Math.max(0.02, share));
    c.stroke();
  }

  #half(copy) {
    return copy.named ? Math.max(copy.r, (labelOf(copy).length * 7 + 8) / 2) : copy.r;
  }

  #stamp(copy) {
    const label = copy.named ? labelOf(copy) : "";
    const key = `${copy.look}|${copy.r}|${copy.tries > 1}|${label}`;
    const { sprites, ratio } = this;
    let stamp = sprites.get(key);
    if (stamp === undefined) {
      if (sprites.size > MOST_SPRITES) sprites.clear();
      const image = drawn(copy, label, this.#half(copy), this.palette, ratio);
      stamp = { image, w: image.width / ratio, h: image.height / ratio, sprites };
      sprites.set(key, stamp);
    }
    return stamp;
  }

  // The copy that is drawn at (x, y), or null.
  hit(x, y) {
    for (let i = this.all.length - 1; i >= 0; i -= 1) {
      const dot = this.all[i];
      const [dx, dy] = [Math.abs(dot.x - x), Math.abs(dot.y - y)];
      if (dx <= this.#half(dot.copy) + 2 && dy <= dot.copy.r + 2) return dot;
    }
    return null;
  }
}

// The dot of this task that is at this place already, else one that has to move, else none.
function take(old, target) {
  const mine = old.get(target.task);
  if (mine === undefined || mine.length === 0) return undefined;
  const at = Math.max(0, mine.findIndex((dot) => dot.copy.name === target.name));
  return mine.splice(at, 1)[0];
}

function fresh(target, source) {
  const from = target.look === "queued" && source ? source : target;
  return { x: from.x, y: from.y, tx: from.x, ty: from.y, fx: from.x, fy: from.y, t0: 0, ms: 1 };
}

// One picture of a message, to be stamped wherever it is.
function drawn(copy, label, half, palette, ratio) {
  const look = LOOKS[copy.look];
  const margin = copy.r > 4 ? 4 : 1;
  const sprite = new OffscreenCanvas(Math.ceil((half + margin) * 2 * ratio),
    Math.ceil((copy.r + margin) * 2 * ratio));
  const c = sprite.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, sprite.width / 2, sprite.height / 2);
  outline(c, look.shape, half, copy.r - (look.fill ? 0 : 1));
  c.fillStyle = look.fill ? palette[look.colour] : palette.card;
  c.fill();
  if (look.dash && copy.r > 4) c.setLineDash([4, 3]);
  c.strokeStyle = palette[edgeOf(look)];
  c.lineWidth = look.fill ? 1 : Math.min(2.5, copy.r / 2);
  c.stroke();
  c.setLineDash([]);
  if (label === "" && copy.tries > 1 && copy.r > 4) again(c, copy.r, palette);
  const text = label || (copy.r > 4 ? look.mark ?? "" : "");
  c.fillStyle = look.fill ? palette[`on-${look.colour}`] : palette.text;
  c.font = `600 ${label ? 12 : Math.round(copy.r * 1.7)}px ${palette.font}`;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.fillText(text, 0, 0.5);
  return sprite.transferToImageBitmap(); // A canvas would be copied anew for every stamp.
}

function again(c, r, palette) {
  c.strokeStyle = palette.purple;
  c.lineWidth = 2;
  c.beginPath();
  c.arc(0, 0, r + 2, 0, 2 * Math.PI);
  c.stroke();
}

// As wide as its label needs: only its ends, or its corners, make the shape.
function outline(c, shape, half, r) {
  c.beginPath();
  if (ROUND[shape] !== undefined) c.roundRect(-half, -r, 2 * half, 2 * r, ROUND[shape].map((share) => share * r));
  else {
    // A pointed end needs its room: less of it beside a label.
    const cut = Math.min(r, half) * (half > r * 1.05 ? 0.7 : 1);
    CORNERS[shape](half, r, cut).forEach(([x, y], i) => (i === 0 ? c.moveTo(x, y) : c.lineTo(x, y)));
    c.closePath();
  }
}

const ROUND = { circle: [1], square: [0.25], dome: [1, 1, 0.1, 0.1], shield: [0.1, 0.1, 1, 1] };
const CORNERS = {
  diamond: (w, r, cut) => [[-w, 0], [cut - w, -r], [w - cut, -r], [w, 0], [w - cut, r], [cut - w, r]],
  octagon: (w, r) => {
    const cut = r * 0.58;
    return [[-w, cut - r], [cut - w, -r], [w - cut, -r], [w, cut - r], [w, r - cut], [w - cut, r],
      [cut - w, r], [-w, r - cut]];
  },
  back: (w, r, cut) => [[-w, 0], [cut - w, -r], [w, -r], [w, r], [cut - w, r]],
  ribbon: (w, r, cut) => [[-w, -r], [w, -r], [w - cut / 2, 0], [w, r], [-w, r], [cut / 2 - w, 0]],
};

// Draw each look of the legend on the canvas that is beside its words.
export function paintLegend(legend, palette) {
  for (const canvas of legend.querySelectorAll("canvas")) {
    const small = new Dots(canvas);
    small.resize(20, 20, window.devicePixelRatio || 1);
    small.paint(palette);
    const copy = { task: "", area: "", look: canvas.dataset.look, tries: 1, label: "" };
    small.go([{ ...copy, x: 10, y: 10, r: 7 }], 0, 0);
    small.draw(0);
  }
}
