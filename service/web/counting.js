// Who crosses a line and who is in a zone, told from the frames as the server tells it
// (service/counting): so that a line that is drawn, moved or turned counts at once.

const MARGIN = 0.03; // of a box's longer side, by which its foot must be past a border
const LEFT_SECONDS = 2; // not in the picture for so long: it left when it was seen last
const FORGET_SECONDS = 60; // back later than this, a track comes from no side of a line

const minus = ([x, y], [u, v]) => [x - u, y - v];
const cross = ([x, y], [u, v]) => x * v - y * u;

function seenIn(frame) {
  return frame.objects.filter(({ predicted }) => !predicted).map(({ track_id: id, name, box }) => ({
    id,
    name,
    point: [(box.x1 + box.x2) / 2, box.y2],
    margin: MARGIN * Math.max(box.x2 - box.x1, box.y2 - box.y1),
  }));
}

// The crossings of a line; negative distances are on side a, on the left of its direction.
class Crossings {
  #last = new Map();

  constructor([start, end]) {
    this.start = start;
    this.end = end;
    this.way = minus(end, start);
  }

  *update(seen, time) {
    for (const { id, name, point, margin } of seen) {
      const side = cross(this.way, minus(point, this.start)) / Math.hypot(...this.way);
      if (Math.abs(side) <= margin) continue;
      const onB = side > 0;
      const last = this.#last.get(id) ?? { onB, point };
      this.#last.set(id, { onB, point });
      if (last.onB !== onB && this.#metBy(last.point, point)) {
        yield { time, what: last.onB ? "b_to_a" : "a_to_b", id, name };
      }
    }
  }

  #metBy(before, after) {
    const way = minus(after, before);
    return cross(way, minus(this.start, before)) * cross(way, minus(this.end, before)) <= 0;
  }

  forget(id) {
    this.#last.delete(id);
  }
}

// Pixels from the border of a polygon: positive inside, negative outside.
function depth(corners, point) {
  let nearest = Infinity;
  let inside = false;
  corners.forEach((start, i) => {
    const end = corners[(i + 1) % corners.length];
    const edge = minus(end, start);
    const to = minus(point, start);
    const along = (to[0] * edge[0] + to[1] * edge[1]) / Math.max(edge[0] ** 2 + edge[1] ** 2, 1e-12);
    const share = Math.min(Math.max(along, 0), 1);
    nearest = Math.min(nearest, Math.hypot(to[0] - share * edge[0], to[1] - share * edge[1]));
    const spans = point[1] >= start[1] !== point[1] >= end[1];
    if (spans && cross(edge, to) * (edge[1] > 0 ? 1 : -1) < 0) inside = !inside;
  });
  return inside ? nearest : -nearest;
}

// The visits to a zone.
class Visits {
  #inside = new Map();

  constructor(corners) {
    this.corners = corners;
  }

  *update(seen, time, presence) {
    for (const { id, name, point, margin } of seen) {
      const deep = depth(this.corners, point);
      const visit = this.#inside.get(id);
      if (!visit && deep > 0) {
        this.#inside.set(id, { name, began: time, last: time });
        yield { time, what: "entered", id, name };
      } else if (visit && deep < -margin) {
        yield this.#leave(id, time, time);
      }
    }
    for (const [id, visit] of this.#inside) {
      visit.last = presence.get(id) ?? visit.last;
      if (time - visit.last > LEFT_SECONDS) yield this.#leave(id, time, visit.last);
    }
  }

  #leave(id, time, last) {
    const { name, began } = this.#inside.get(id);
    this.#inside.delete(id);
    return { time, what: "left", id, name, stay: last - began };
  }

  forget() {
    // Who is in a zone is told by its visit alone.
  }
}

// Everything that happened at a region, frame by frame, as far as the recording goes.
export class Tally {
  events = [];
  #presence = new Map();
  #counted = 0;
  #watch;

  constructor(region, { width, height }) {
    const corners = region.points.map(([x, y]) => [x * width, y * height]);
    this.#watch = region.kind === "line" ? new Crossings(corners) : new Visits(corners);
  }

  // Takes the frames that have come since.
  update({ frames, added }) {
    for (const frame of frames.slice(Math.max(0, frames.length - (added - this.#counted)))) {
      for (const [id, last] of this.#presence) {
        if (frame.time - last > FORGET_SECONDS) {
          this.#presence.delete(id);
          this.#watch.forget(id);
        }
      }
      for (const { track_id: id } of frame.objects) this.#presence.set(id, frame.time);
      this.events.push(...this.#watch.update(seenIn(frame), frame.time, this.#presence));
    }
    this.#counted = added;
  }

  // The numbers up to a time, of the events that are wanted.
  at(time, wanted) {
    const total = { a_to_b: 0, b_to_a: 0, entered: 0, left: 0, stay: 0 };
    for (const event of this.events) {
      if (event.time > time) break;
      if (!wanted(event)) continue;
      total[event.what] += 1;
      total.stay += event.stay ?? 0;
    }
    return { ...total, inside: total.entered - total.left };
  }
}
