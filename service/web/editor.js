// Drawing lines and zones on the picture, and moving their points: with a mouse, a finger or keys.

import { $, el } from "./dom.js";
import { shareAt } from "./stage.js";

const NEAR = 12; // pixels: a click so near to a zone's first point closes it
const STEP = 0.005; // of the picture, by an arrow key; ten times as much with Shift
const START = {
  line: [[0.2, 0.6], [0.8, 0.6]],
  zone: [[0.35, 0.35], [0.65, 0.35], [0.65, 0.75], [0.35, 0.75]],
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINTS = {
  line: "Drag from one end of the line to the other.",
  zone: "Click the corners of the zone; click the first one again, or press Enter, to close it.",
};

function pixelsBetween(one, other) {
  const { width, height } = $("overlay").getBoundingClientRect();
  return Math.hypot((one[0] - other[0]) * width, (one[1] - other[1]) * height);
}

export class Editor {
  draft = null; // what is being drawn: {kind, points}, its last point under the pointer
  #regions;
  #redraw;
  #pressed = false; // whether the last press was part of drawing

  constructor(regions, redraw) {
    this.#regions = regions;
    this.#redraw = redraw;
    for (const kind of ["line", "zone"]) {
      // A button that was pressed by a key is followed by no pointer.
      $(`add-${kind}`).addEventListener("click", ({ detail }) => {
        if (detail) this.begin(kind);
        else this.place(kind);
      });
    }
    const overlay = $("overlay");
    overlay.addEventListener("pointerdown", (event) => this.#down(event));
    overlay.addEventListener("pointermove", (event) => this.#move(event));
    overlay.addEventListener("pointerup", () => this.#up());
    // A press that draws chooses no object.
    overlay.addEventListener("click", (event) => {
      if (this.#pressed) event.stopImmediatePropagation();
    });
  }

  begin(kind) {
    if (this.draft?.kind === kind || !this.#regions.hasRoom(kind)) {
      this.cancel();
      return;
    }
    this.#set({ kind, points: [] });
    $("overlay").focus({ preventScroll: true });
    $("view").scrollIntoView({ block: "nearest" });
  }

  // A region in the middle of the picture, whose points are then moved by keys.
  place(kind) {
    if (!this.#regions.hasRoom(kind)) return;
    const region = this.#regions.add(kind, structuredClone(START[kind]));
    this.#handle(region, 0).focus();
  }

  cancel() {
    this.#set(null);
  }

  // Closes the zone that is drawn; answers whether there was one to close.
  finish() {
    const points = this.draft?.kind === "zone" ? this.draft.points.slice(0, -1) : [];
    if (points.length < 3) return false;
    this.#done(points);
    return true;
  }

  #done(points) {
    const { kind } = this.draft;
    this.cancel();
    this.#regions.add(kind, points);
  }

  #set(draft) {
    this.draft = draft;
    $("view").classList.toggle("drawing", Boolean(draft));
    for (const kind of ["line", "zone"]) {
      $(`add-${kind}`).setAttribute("aria-pressed", String(draft?.kind === kind));
    }
    $("hint").textContent = draft ? `${HINTS[draft.kind]} Esc ends it.` : "";
    this.#redraw();
  }

  #down(event) {
    const { draft } = this;
    this.#pressed = Boolean(draft);
    if (!draft || event.button) return;
    event.preventDefault();
    $("overlay").setPointerCapture(event.pointerId);
    const point = shareAt(event);
    const closes = draft.kind === "zone" && draft.points.length > 3;
    if (closes && pixelsBetween(point, draft.points[0]) < NEAR) {
      this.finish();
      return;
    }
    // The last point goes with the pointer until it is set.
    draft.points.splice(-1, 1, point);
    draft.points.push(point);
    this.#redraw();
  }

  #move(event) {
    if (!this.draft?.points.length) return;
    this.draft.points.splice(-1, 1, shareAt(event));
    this.#redraw();
  }

  // A line is dragged, or its ends are clicked.
  #up() {
    const { draft } = this;
    if (draft?.kind !== "line" || draft.points.length < 2) return;
    if (pixelsBetween(draft.points[0], draft.points.at(-1)) > NEAR) {
      this.#done([draft.points[0], draft.points.at(-1)]);
    }
  }

  #handle(region, number) {
    return $("handles").querySelector(`[data-point="${region.id}.${number}"]`);
  }

  // Shows the points of all regions, each of which can be dragged or moved by arrow keys.
  showHandles() {
    const wanted = new Set();
    for (const region of this.#regions.list) {
      region.points.forEach((point, number) => {
        const id = `${region.id}.${number}`;
        wanted.add(id);
        const handle = this.#handle(region, number) ?? this.#makeHandle(region, number);
        const [x, y] = point.map((share) => (100 * share).toFixed(1));
        handle.style.left = `${x}%`;
        handle.style.top = `${y}%`;
        const which = `point ${number + 1} of ${region.points.length}`;
        handle.setAttribute("aria-label", `${region.name}, ${which}, ${x} % across, ${y} % down`);
      });
    }
    for (const handle of [...$("handles").children]) {
      if (!wanted.has(handle.dataset.point)) handle.remove();
    }
  }

  #makeHandle(region, number) {
    const moveTo = (point) => this.#regions.move(region, number, point);
    const handle = el("button", {
      type: "button",
      class: "handle",
      "data-point": `${region.id}.${number}`,
      onpointerdown: (event) => handle.setPointerCapture(event.pointerId),
      onpointermove: (event) => {
        if (handle.hasPointerCapture(event.pointerId)) moveTo(shareAt(event));
      },
      onkeydown: (event) => {
        const way = ARROWS[event.key];
        if (event.key === "Delete" || event.key === "Backspace") this.#regions.remove(region);
        else if (!way) return;
        else {
          const step = event.shiftKey ? 10 * STEP : STEP;
          const within = (value) => Math.min(Math.max(value, 0), 1);
          moveTo(region.points[number].map((share, axis) => within(share + step * way[axis])));
        }
        event.preventDefault();
        event.stopPropagation();
      },
    });
    $("handles").append(handle);
    return handle;
  }
}
