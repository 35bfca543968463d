// Boxes, outlines, labels, trails, lines and zones on a canvas. Colours are light, so
// that dark letters can be read on all of them, and all of them can be seen on a picture.

const GOLDEN_ANGLE = 137.508; // degrees: neighbouring keys get hues that are far apart
const LIGHTNESS = [0.8, 0.88, 0.74]; // by turns, since hues come near to each other again
const TRAIL_SECONDS = 2;
const LABELS = { wide: { letters: 12, high: 18, pad: 6 }, narrow: { letters: 10, high: 14, pad: 4 } };
const NARROW = 560; // pixels: pictures shown smaller than this have smaller labels
const HALO = "rgb(0 0 0 / 55%)";
const DARK = "#0d1216";
const REGION = "#ffffff";

export function colourOf(key) {
  const hue = (150 + key * GOLDEN_ANGLE) % 360;
  return `oklch(${LIGHTNESS[key % LIGHTNESS.length]} 0.155 ${hue.toFixed(1)})`;
}

export function keyOf(object) {
  return object.track_id ?? object.class;
}

function labelOf(object) {
  return object.track_id === undefined
    ? `${object.name} ${Math.round(object.confidence * 100)} %`
    : `${object.track_id} ${object.name}`;
}

function outlined(context, colour, width, path) {
  context.lineJoin = "round";
  for (const [style, thick] of [[HALO, width + 2], [colour, width]]) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    path();
    context.stroke();
  }
}

function polygon(context, points, closed = true) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (closed) context.closePath();
}

// Sets the letters for a picture as wide as this; answers the measures of its labels.
function letters({ context, bounds }) {
  const measures = bounds.width < NARROW ? LABELS.narrow : LABELS.wide;
  context.font = `600 ${measures.letters}px Inter, system-ui, sans-serif`;
  context.textBaseline = "middle";
  return measures;
}

function widthOf(context, text, { pad }) {
  return context.measureText(text).width + 2 * pad;
}

function pill(context, text, x, y, measures, colour) {
  const { high, pad } = measures;
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(x, y, widthOf(context, text, measures), high, 0.28 * high);
  context.fill();
  context.fillStyle = DARK;
  context.fillText(text, x + pad, y + high / 2 + 0.5);
}

function drawShape(context, { box, segments, predicted }, scale, colour, chosen) {
  if (segments) {
    polygon(context, segments.x.map((x, i) => [x * scale, segments.y[i] * scale]));
    context.save();
    context.globalAlpha *= 0.3;
    context.fillStyle = colour;
    context.fill();
    context.restore();
  }
  context.setLineDash(predicted ? [6, 5] : []);
  outlined(context, colour, chosen ? 4 : 2, () => {
    context.beginPath();
    const { x1, y1, x2, y2 } = box;
    context.roundRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale, 3);
  });
  context.setLineDash([]);
}

// Labels stand on their boxes, or in them where there is no room above.
function drawLabel({ context, scale, bounds }, object, measures) {
  const text = labelOf(object);
  const right = bounds.width - widthOf(context, text, measures);
  const left = Math.min(Math.max(object.box.x1 * scale - 1, 0), right);
  const top = object.box.y1 * scale;
  const above = top - measures.high - 1;
  const y = above < 0 ? Math.max(top, 0) + 1 : above;
  pill(context, text, left, y, measures, colourOf(keyOf(object)));
}

// `chosen` is the key of one object; the others then stand back.
export function drawObjects(view, objects, chosen) {
  const { context, scale } = view;
  const measures = letters(view);
  const faded = (object) => (chosen !== null && keyOf(object) !== chosen ? 0.35 : 1);
  const surestLast = [...objects].reverse();
  for (const object of surestLast) {
    context.globalAlpha = faded(object);
    drawShape(context, object, scale, colourOf(keyOf(object)), keyOf(object) === chosen);
  }
  for (const object of surestLast) {
    context.globalAlpha = faded(object);
    drawLabel(view, object, measures);
  }
  context.globalAlpha = 1;
}

// The way that each object took in the last seconds, by its foot, fading with age. Where it was
// out of the picture, its way is not known and has a gap.
export function drawTrails({ context, scale }, frames, last, objects) {
  const now = frames[last].time;
  const before = new Map(objects.map((object) => [object.track_id, null])); // nearer to now
  context.lineWidth = 3;
  context.lineCap = "round";
  for (let i = last; i >= 0 && frames[i].time >= now - TRAIL_SECONDS; i -= 1) {
    context.globalAlpha = 1 - (now - frames[i].time) / TRAIL_SECONDS;
    const here = new Map();
    for (const { track_id: id, box } of frames[i].objects) {
      if (!before.has(id)) continue;
      const point = [((box.x1 + box.x2) / 2) * scale, box.y2 * scale];
      here.set(id, point);
      if (!before.get(id)) continue;
      context.strokeStyle = colourOf(id);
      polygon(context, [before.get(id), point], false);
      context.stroke();
    }
    for (const id of before.keys()) before.set(id, here.get(id) ?? null);
  }
  context.globalAlpha = 1;
}

// On each side of a line stands how many have come to it.
function drawLine({ context, bounds }, { points, totals }, measures) {
  const [start, end] = points.map(([x, y]) => [x * bounds.width, y * bounds.height]);
  const way = [end[0] - start[0], end[1] - start[1]];
  const off = (1.3 * measures.high) / (Math.hypot(...way) || 1);
  outlined(context, REGION, 3, () => polygon(context, [start, end], false));
  if (!totals) return;
  const sides = [["A", -off, totals.b_to_a], ["B", off, totals.a_to_b]];
  for (const [name, away, count] of sides) {
    const text = `${name} ${count}`;
    const x = (start[0] + end[0]) / 2 - away * way[1] - widthOf(context, text, measures) / 2;
    const y = (start[1] + end[1]) / 2 + away * way[0] - measures.high / 2;
    pill(context, text, x, y, measures, REGION);
  }
}

function drawZone({ context, bounds }, { points, totals, name }, measures) {
  const corners = points.map(([x, y]) => [x * bounds.width, y * bounds.height]);
  polygon(context, corners, points.length > 2);
  context.fillStyle = "rgb(255 255 255 / 14%)";
  context.fill();
  outlined(context, REGION, 2, () => polygon(context, corners, Boolean(totals)));
  if (!totals) return;
  const mean = (axis) => corners.reduce((sum, corner) => sum + corner[axis], 0) / corners.length;
  const text = `${name}: ${totals.inside}`;
  const x = mean(0) - widthOf(context, text, measures) / 2;
  pill(context, text, x, mean(1) - measures.high / 2, measures, REGION);
}

// One that is being drawn has no totals yet.
export function drawRegion(view, region) {
  const measures = letters(view);
  (region.kind === "line" ? drawLine : drawZone)(view, region, measures);
}
