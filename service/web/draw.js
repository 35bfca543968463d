// Boxes, labels and trails on the canvas that lies over the picture or the video.

const GOLDEN_ANGLE = 137.508; // degrees: neighbouring keys get hues that are far apart
const TRAIL_SECONDS = 2;

export function colourOf(key) {
  return `hsl(${(key * GOLDEN_ANGLE) % 360} 72% 52%)`;
}

// The canvas takes the size at which the medium is shown, times the screen's pixel ratio, and the
// coordinate frame of the medium's own pixels. Answers a function from there to the screen.
export function fit(canvas, medium, width, height) {
  const shown = medium.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const scale = Math.min(shown.width / width, shown.height / height);
  canvas.style.width = `${shown.width}px`;
  canvas.style.height = `${shown.height}px`;
  canvas.width = Math.round(shown.width * ratio);
  canvas.height = Math.round(shown.height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, shown.width, shown.height);
  context.translate((shown.width - width * scale) / 2, (shown.height - height * scale) / 2);
  return { context, scale };
}

export function drawObjects({ context, scale }, objects) {
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "top";
  for (const object of [...objects].reverse()) {
    const { x1, y1, x2, y2 } = object.box;
    const key = object.track_id ?? object.class;
    const label = object.track_id === undefined
      ? `${object.name} ${object.confidence.toFixed(2)}`
      : `${object.track_id} ${object.name}`;
    context.strokeStyle = context.fillStyle = colourOf(key);
    context.lineWidth = 2;
    context.setLineDash(object.predicted ? [5, 4] : []);
    context.strokeRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale);
    context.setLineDash([]);
    const width = context.measureText(label).width + 8;
    const top = y1 * scale >= 17 ? y1 * scale - 17 : y1 * scale;
    context.fillRect(x1 * scale - 1, top, width, 17);
    context.fillStyle = "#fff";
    context.fillText(label, x1 * scale + 3, top + 3);
  }
}

// The way that each object took in the last seconds, by its foot point.
export function drawTrails({ context, scale }, frames, last, shown) {
  const trails = new Map(frames[last].objects.filter(shown).map((o) => [o.track_id, []]));
  const from = frames[last].time - TRAIL_SECONDS;
  for (let i = last; i >= 0 && frames[i].time >= from; i -= 1) {
    for (const { track_id: id, box } of frames[i].objects) {
      trails.get(id)?.push([((box.x1 + box.x2) / 2) * scale, box.y2 * scale]);
    }
  }
  context.lineWidth = 2;
  context.lineJoin = "round";
  for (const [id, points] of trails) {
    context.strokeStyle = colourOf(id);
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }
}
