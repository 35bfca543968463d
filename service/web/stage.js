// Where pictures are shown and drawn upon: the medium, and over it a canvas of the same size.

import { $ } from "./dom.js";
import { drawObjects, drawRegion, drawTrails, keyOf } from "./draw.js";

const MEDIA = ["image", "video", "picture"];

export class Stage {
  #url = null;
  #context = $("overlay").getContext("2d");

  constructor(redraw) {
    new ResizeObserver(redraw).observe($("view"));
  }

  // Shows one of the media, or none of them for a video that this browser cannot play.
  show(medium, file = null) {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = file && URL.createObjectURL(file);
    for (const id of MEDIA) $(id).hidden = id !== medium;
    $("image").removeAttribute("src");
    $("video").removeAttribute("src");
    $("video").load(); // only this lets go of the video before
    if (this.#url) $(medium).src = this.#url;
    $("invite").hidden = true;
    $("unplayable").hidden = true;
    for (const id of ["view", "bar"]) $(id).hidden = false;
    this.clear();
  }

  withoutPicture() {
    for (const id of MEDIA) $(id).hidden = true;
    $("unplayable").hidden = false;
  }

  clear() {
    this.#context.clearRect(0, 0, $("overlay").width, $("overlay").height);
  }

  fit({ width, height }) {
    $("view").style.setProperty("--ratio", String(width / height));
  }

  // The canvas takes the size at which it is shown, times the screen's pixel ratio.
  #view(width) {
    const canvas = $("overlay");
    const bounds = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(bounds.width * ratio);
    canvas.height = Math.round(bounds.height * ratio);
    const context = this.#context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { context, scale: bounds.width / width, bounds };
  }

  draw(recording, index, { filter, regions, chosen }) {
    if (!recording.width || !recording.frames.length) return;
    const view = this.#view(recording.width);
    const frame = recording.frames[index];
    const objects = filter.objects(frame, recording);
    if (recording.kind !== "image") drawTrails(view, recording.frames, index, objects);
    const isThere = objects.some((object) => keyOf(object) === chosen);
    drawObjects(view, objects, isThere ? chosen : null);
    for (const region of regions) drawRegion(view, region);
  }
}

// Where a pointer is, in shares of the picture's width and height.
export function shareAt({ clientX, clientY }) {
  const { left, top, width, height } = $("overlay").getBoundingClientRect();
  const within = (value) => Math.min(Math.max(value, 0), 1);
  return [within((clientX - left) / width), within((clientY - top) / height)];
}
