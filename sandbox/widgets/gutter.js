// Gutter: where the links of a task's chain of attempts run: between the rows, never over a bar.
// No DOM. Rows are counted from the top; `mid(row)` and `gap(row)` are in pixels, gap(row) being
// the middle of the free strip above that row, gap(nRows) the one below the last.

const CLEAR = 3; // px that a link keeps from a bar on either side
const APART = 3; // px between links in the same strip

// Stretches of a row without a bar within [left, right], as [from, to].
export function freeOf(bars, left, right) {
  const free = [];
  let at = -Infinity;
  for (const { x0, x1 } of [...bars].sort((a, b) => a.x0 - b.x0)) {
    if (x0 - at > 2 * CLEAR) free.push([at + CLEAR, x0 - CLEAR]);
    at = Math.max(at, x1);
  }
  free.push([at + CLEAR, Infinity]);
  return free.map(([from, to]) => [Math.max(from, left), Math.min(to, right)])
    .filter(([from, to]) => from <= to);
}

// The x in the free stretches that makes the shortest way from x to `goal`.
export function crossing(free, x, goal) {
  let [best, least] = [null, Infinity];
  for (const [from, to] of free) {
    const near = Math.min(Math.max(x, from), to);
    const cost = Math.abs(near - x) + Math.abs(near - goal);
    if (cost < least) [best, least] = [near, cost];
  }
  return best;
}

// The points of a link from the end of one bar to the beginning of another: out of its bar into
// the strip beside it, row by row through stretches that are free, and into the other bar.
export function route(from, to, layout, nth = 0) {
  const { rows, mid, gap, left, right } = layout;
  const shift = ((nth % 3) - 1) * APART;
  const leave = Math.max(from.x0, from.x1 - CLEAR);
  const arrive = Math.min(to.x1, to.x0 + CLEAR);
  const down = to.row > from.row;
  let strip = down || (to.row === from.row && from.row === 0) ? from.row + 1 : from.row;
  if (to.row === from.row && from.row > 0) strip = from.row;
  const last = down ? to.row : to.row === from.row ? strip : to.row + 1;
  const points = [[leave, mid(from.row)], [leave, gap(strip) + shift]];
  let x = leave;
  while (strip !== last) {
    const row = down ? strip : strip - 1; // the row between this strip and the next
    // Left and right of the plot there is never a bar.
    const free = [[left - 4, left - 4], ...freeOf(rows[row] ?? [], left, right), [right + 4, right + 4]];
    x = crossing(free, x, arrive);
    points.push([x, gap(strip) + shift]);
    strip += down ? 1 : -1;
    points.push([x, gap(strip) + shift]);
  }
  points.push([arrive, gap(strip) + shift], [arrive, mid(to.row)]);
  return points.filter((point, i) => i === 0 || point[0] !== points[i - 1][0]
    || point[1] !== points[i - 1][1]);
}

// The same points as an SVG path with rounded corners.
export function rounded(points, radius = 4) {
  let d = `M${points[0][0].toFixed(1)},${points[0][1].toFixed(1)}`;
  for (let i = 1; i < points.length; i += 1) {
    const [x, y] = points[i];
    const next = points[i + 1];
    if (next === undefined) d += `L${x.toFixed(1)},${y.toFixed(1)}`;
    else {
      const before = toward(points[i], points[i - 1], radius);
      const after = toward(points[i], next, radius);
      d += `L${before}Q${x.toFixed(1)},${y.toFixed(1)} ${after}`;
    }
  }
  return d;
}

function toward([x, y], [tx, ty], radius) {
  const length = Math.hypot(tx - x, ty - y) || 1;
  const part = Math.min(radius, length / 2) / length;
  return `${(x + (tx - x) * part).toFixed(1)},${(y + (ty - y) * part).toFixed(1)}`;
}
