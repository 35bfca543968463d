// The page: one file at a time, sent to the server, its objects drawn over it and listed.

import { colourOf, drawObjects, drawTrails, fit } from "./draw.js";
import { get, lines, post, Problem } from "./stream.js";

const $ = (id) => document.getElementById(id);
const VIDEO_NAME = /\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|mjpe?g|gif)$/i;
const LEAST_CONF = 0.1; // asked of the server; the slider then filters here, at once
const NUMERIC = new Set(["Confidence", "Size", "From", "To"]); // columns set to the right
const FRAME_SLACK = 0.001; // seconds: a time stamp rounded by the player is still that frame

let shown = null; // what is on the stage: {kind, width, height, objects | frames}
let running = null; // the AbortController of the request under way

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

function wanted(object) {
  const name = $("shown").value;
  return object.confidence >= Number($("conf").value) && (!name || object.name === name);
}

// ---- the stage ----------------------------------------------------------------------------

function place(file) {
  const isVideo = file.type.startsWith("video/") || file.type === "image/gif" || VIDEO_NAME.test(file.name);
  const medium = isVideo ? $("video") : $("image");
  for (const element of [$("image"), $("video")]) {
    if (element.src) URL.revokeObjectURL(element.src);
    element.removeAttribute("src");
    element.hidden = element !== medium;
  }
  $("blank").hidden = true;
  $("scrubbing").hidden = true;
  medium.src = URL.createObjectURL(file);
  $("invite").hidden = true;
  $("view").hidden = false;
  $("another").hidden = false;
  $("drop").classList.add("full");
  return isVideo;
}

// A video that this browser has no decoder for: its objects are drawn on a blank ground instead.
function withoutPicture() {
  if (shown?.kind !== "video" || !shown.width) return;
  $("video").hidden = true;
  $("blank").hidden = false;
  $("blank").style.aspectRatio = `${shown.width} / ${shown.height}`;
  $("scrubbing").hidden = false;
}

function stage() {
  if (shown.kind === "image") return $("image");
  return $("blank").hidden ? $("video") : $("blank");
}

function currentFrame() {
  const { frames } = shown;
  if (!$("blank").hidden) return Math.min(Number($("scrub").value), frames.length - 1);
  const time = $("video").currentTime + FRAME_SLACK;
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frames[middle].time <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

function draw() {
  if (!shown || !shown.width) return;
  if (shown.kind === "image") {
    const view = fit($("overlay"), stage(), shown.width, shown.height);
    drawObjects(view, shown.objects.filter(wanted));
  } else if (shown.frames.length) {
    const index = currentFrame();
    const view = fit($("overlay"), stage(), shown.width, shown.height);
    drawTrails(view, shown.frames, index, wanted);
    drawObjects(view, shown.frames[index].objects.filter(wanted));
  }
}

// The video never runs ahead of what the server has answered.
function hold() {
  const video = $("video");
  const { frames, ended } = shown;
  const known = frames.length ? frames[frames.length - 1].time : 0;
  if (!ended && video.currentTime > known) video.currentTime = known;
}

function follow() {
  if (!shown || shown.kind !== "video" || !$("blank").hidden) return;
  hold();
  draw();
  const again = $("video").requestVideoFrameCallback;
  if (again) again.call($("video"), follow);
  else requestAnimationFrame(follow);
}

// ---- the table ----------------------------------------------------------------------------

function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function cell(text, number = false, colour = null) {
  const td = document.createElement("td");
  if (number) td.className = "number";
  if (colour) {
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour;
    td.append(swatch);
  }
  td.append(text);
  return td;
}

function table(caption, heads, rows) {
  $("caption").textContent = caption;
  const head = document.createElement("tr");
  for (const text of heads) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = text;
    if (NUMERIC.has(text)) th.className = "number";
    head.append(th);
  }
  $("heads").replaceChildren(head);
  $("rows").replaceChildren(...rows.map((cells) => {
    const tr = document.createElement("tr");
    tr.append(...cells);
    return tr;
  }));
}

function list() {
  if (!shown) return;
  if (shown.kind === "image") {
    const rows = shown.objects.filter(wanted);
    table(counted(rows.length, "object"), ["Class", "Confidence", "Size"], rows.map((o) => [
      cell(o.name, false, colourOf(o.class)),
      cell(o.confidence.toFixed(2), true),
      cell(`${Math.round(o.box.x2 - o.box.x1)} × ${Math.round(o.box.y2 - o.box.y1)}`, true),
    ]));
  } else {
    const rows = [...shown.tracks.values()].filter(wanted);
    table(counted(rows.length, "track"), ["ID", "Class", "From", "To"], rows.map((t) => [
      cell(String(t.track_id), false, colourOf(t.track_id)),
      cell(t.name),
      cell(`${t.from.toFixed(1)} s`, true),
      cell(`${t.to.toFixed(1)} s`, true),
    ]));
  }
}

function offerClasses(objects) {
  const known = new Set([...$("shown").options].map((option) => option.value));
  for (const { name } of objects) {
    if (known.has(name)) continue;
    known.add(name);
    $("shown").append(new Option(name, name));
  }
}

// ---- the requests -------------------------------------------------------------------------

function query() {
  const model = $("model").value;
  return `conf=${LEAST_CONF}${model ? `&model=${encodeURIComponent(model)}` : ""}`;
}

async function detect(file, signal) {
  shown = { kind: "image", objects: [] };
  say("Looking …");
  const began = performance.now();
  const answer = await (await post(`/v1/detect?${query()}`, file, signal)).json();
  Object.assign(shown, answer.image, { objects: answer.detections });
  await $("image").decode().catch(() => undefined); // a type that the browser cannot show
  offerClasses(answer.detections);
  draw();
  list();
  say(`Done in ${Math.round(performance.now() - began)} ms, ${answer.model}.`);
}

function remember(frame) {
  shown.frames.push(frame);
  for (const object of frame.objects) {
    const track = shown.tracks.get(object.track_id) || { from: frame.time, confidence: 0 };
    Object.assign(track, object, {
      from: track.from,
      to: frame.time,
      confidence: Math.max(track.confidence, object.confidence),
    });
    shown.tracks.set(object.track_id, track);
  }
}

function progressed(header) {
  const done = shown.frames.length;
  if (header.frames) $("progress").value = done / header.frames;
  else $("progress").removeAttribute("value");
  say(`Frame ${done}${header.frames ? ` of ${header.frames}` : ""}, ${counted(shown.tracks.size, "track")}`);
}

function scrubTo(frame) {
  $("scrub").max = frame;
  $("scrub").value = frame;
  draw();
}

async function track(file, signal) {
  shown = { kind: "video", frames: [], tracks: new Map(), ended: false };
  $("progress").hidden = false;
  say("Sending …");
  const video = $("video");
  const response = await post(`/v1/track?${query()}`, file, signal);
  let header = {};
  let painted = 0;
  for await (const line of lines(response)) {
    if (line.type === "header") {
      header = line;
      Object.assign(shown, { width: line.width, height: line.height });
      if (video.error) withoutPicture();
      // A player that is stopped or has no decoder says so by its own means.
      video.play().catch(() => undefined);
      follow();
    } else if (line.type === "frame") {
      remember(line);
      offerClasses(line.objects);
      if (performance.now() - painted > 150) {
        painted = performance.now();
        progressed(header);
        list();
        if (!$("blank").hidden) scrubTo(shown.frames.length - 1);
      }
    } else if (line.type === "error") {
      throw new Problem(line.message);
    } else if (line.type === "end") {
      shown.ended = true;
      say(`${line.frames} frames, ${counted(line.tracks, "track")}, ${line.fps.toFixed(0)} frames a second.`);
    }
  }
  list();
  if (!$("blank").hidden) scrubTo(shown.frames.length - 1);
  if (!shown.ended) throw new Problem("The stream was cut before its end.");
}

async function open(file) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  $("shown").replaceChildren(new Option("every class", ""));
  table("No objects yet", [], []);
  $("cancel").hidden = false;
  try {
    await (place(file) ? track(file, mine.signal) : detect(file, mine.signal));
  } catch (error) {
    if (error.name === "AbortError") {
      if (running === mine) say("Cancelled.");
    } else {
      say(error instanceof Problem ? error.message : `The server cannot be reached (${error.message}).`, true);
    }
  } finally {
    if (running === mine) {
      running = null;
      if (shown?.kind === "video") shown.ended = true;
      $("cancel").hidden = true;
      $("progress").hidden = true;
    }
  }
}

// ---- what the reader does -----------------------------------------------------------------

$("file").addEventListener("change", () => {
  if ($("file").files.length) open($("file").files[0]);
  $("file").value = "";
});
$("another").addEventListener("click", () => $("file").click());
$("cancel").addEventListener("click", () => running?.abort());
$("conf").addEventListener("input", () => {
  $("conf-value").value = Number($("conf").value).toFixed(2);
  draw();
  list();
});
$("shown").addEventListener("change", () => { draw(); list(); });
$("video").addEventListener("seeked", draw);
$("video").addEventListener("error", withoutPicture);
$("scrub").addEventListener("input", draw);
window.addEventListener("resize", draw);
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
  });
}

async function start() {
  try {
    const { models } = await get("/v1/models");
    const ready = models.filter((model) => model.loaded);
    $("model").replaceChildren(...ready.map((model) => new Option(model.name, model.name)));
    $("health").textContent = ready.length ? "ready" : "no model is ready yet";
  } catch (error) {
    $("health").textContent = error instanceof Problem ? error.message : "the server cannot be reached";
  }
}
start();
