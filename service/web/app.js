// The page: opens what the reader gives it, and says what goes on.

import { get, wordsFor } from "./api.js";
import { $, counted } from "./dom.js";
import { Jobs } from "./jobs.js";
import { askForKeys, Keys } from "./keys.js";
import { Camera } from "./live.js";
import { Load } from "./load.js";
import { detect, isVideo, queryFor, replay, track } from "./sources.js";
import { Viewer } from "./viewer.js";

const RETRY_MS = 2000; // between questions while no model is ready
const SECOND = 1;

const viewer = new Viewer(() => now.file && open(now.file));
const { player, editor, settings } = viewer;
const jobs = new Jobs(openJob);
const load = new Load();
let now = {}; // what is open: {recording, file, controller, camera}

// ---- what goes on -------------------------------------------------------------------------

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

function progress(text, share = null) {
  $("progress-text").textContent = text;
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

function heard({ recording }) {
  const { added, expected, tracks } = recording;
  const of = expected ? ` of ${expected}` : "";
  progress(`Frame ${added}${of}, ${counted(tracks.size, "track")}`, expected && added / expected);
  viewer.grown();
}

function complaint(error) {
  if (error.name === "AbortError") return ["Cancelled."];
  if (error.name === "NotAllowedError") return ["The browser was not allowed to use the camera.", true];
  if (error.name === "NotFoundError") return ["No camera was found.", true];
  return [wordsFor(error), true];
}

function summary(end) {
  const rate = end.fps ? `, ${end.fps.toFixed(0)} frames/s` : "";
  return `${counted(end.frames, "frame")}, ${counted(end.tracks, "track")}${rate}.`;
}

// ---- opening ------------------------------------------------------------------------------

// Shows an empty recording and lets `work` fill it; what it answers is said in the end.
async function run({ kind, medium, file = null, first }, work) {
  now.controller?.abort(); // what was open before is given up, on the server too
  const mine = { file, controller: new AbortController() };
  mine.recording = viewer.open(kind, medium, file);
  now = mine;
  $("as-job").hidden = !(file && kind === "video");
  $("running").hidden = false;
  $("progress").hidden = kind === "live";
  location.hash = "";
  say("");
  progress(first);
  try {
    const words = await work(mine);
    if (now === mine) say(words);
  } catch (error) {
    if (now === mine) say(...complaint(error));
  } finally {
    if (now === mine) {
      $("running").hidden = true;
      mine.recording.ended = true;
      viewer.grown();
    }
  }
}

function open(file) {
  if (isVideo(file)) openVideo(file);
  else openImage(file);
}

function openImage(file) {
  run({ kind: "image", medium: "image", file, first: "Looking …" }, async (mine) => {
    const began = performance.now();
    const { model } = await detect(mine.recording, file, settings.model, mine.controller.signal);
    return `${model} took ${Math.round(performance.now() - began)} ms.`;
  });
}

function openVideo(file) {
  run({ kind: "video", medium: "video", file, first: "Sending …" }, async (mine) => {
    const { signal } = mine.controller;
    return summary(await track(mine.recording, file, settings.model, signal, () => heard(mine)));
  });
}

function openCamera() {
  run({ kind: "live", medium: "picture", first: "Starting the camera …" }, async (mine) => {
    mine.camera = new Camera();
    const { recording, camera, controller: { signal } } = mine;
    const shown = ({ latency_ms: ms }) => {
      if (signal.aborted) return;
      progress(`${Math.round(ms)} ms behind, ${counted(recording.tracks.size, "track")}`);
      viewer.grown();
    };
    return summary(await camera.run(recording, queryFor(settings.model), signal, shown));
  });
}

// The tracks of a job, over its video where this page has sent it.
function openJob(job, name, file) {
  run({ kind: "video", medium: "video", file, first: "Fetching …" }, async (mine) => {
    if (!file) viewer.withoutPicture();
    const { recording, controller } = mine;
    return `${name}: ${summary(await replay(recording, job, controller.signal, () => heard(mine)))}`;
  });
}

function stop() {
  if (!now.camera?.finish()) now.controller.abort();
}

function queue(files) {
  location.hash = "jobs";
  const query = { ...queryFor(settings.model), ...viewer.regions.query };
  for (const file of files) jobs.add(file, query);
}

// ---- what the reader does -----------------------------------------------------------------

function showView() {
  const isJobs = location.hash === "#jobs";
  $("look-view").hidden = isJobs;
  $("jobs-view").hidden = !isJobs;
  $("to-look").setAttribute("aria-current", isJobs ? "false" : "page");
  $("to-jobs").setAttribute("aria-current", isJobs ? "page" : "false");
  if (isJobs) jobs.look();
  else viewer.repaint();
}

function take(files) {
  if (location.hash === "#jobs") queue(files);
  else open(files[0]);
}

function onFiles(id, act) {
  $(id).addEventListener("change", () => {
    const files = [...$(id).files];
    if (files.length) act(files);
    $(id).value = "";
  });
}

function listen() {
  onFiles("file", (files) => open(files[0]));
  onFiles("job-files", queue);
  for (const id of ["choose", "again"]) $(id).addEventListener("click", () => $("file").click());
  for (const id of ["camera", "camera-again"]) $(id).addEventListener("click", openCamera);
  $("choose-jobs").addEventListener("click", () => $("job-files").click());
  $("as-job").addEventListener("click", () => queue([now.file]));
  $("cancel").addEventListener("click", stop);
  $("enter-key").addEventListener("click", start);
  window.addEventListener("hashchange", showView);
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", type === "dragover");
      if (type === "drop" && event.dataTransfer.files.length) take([...event.dataTransfer.files]);
    });
  }
}

function escape() {
  if (editor.draft) editor.cancel();
  else if (!$("running").hidden) stop();
  else viewer.choose(null);
}

const looking = () => !$("look-view").hidden;
const withVideo = (act) => (event) => (looking() && viewer.playsVideo ? act(event) : false);
const withTracks = (act) => () => (looking() && viewer.tracksObjects ? act() : false);
const by = (way) => withVideo(({ shiftKey }) => {
  if (shiftKey) player.seek(player.time + way * SECOND);
  else player.step(way);
});

const KEYS = [
  [[" "], "Space", "Play or pause", withVideo(() => player.toggle())],
  [["ArrowLeft"], "←", "One frame back; with Shift a second", by(-1)],
  [["ArrowRight"], "→", "One frame on; with Shift a second", by(1)],
  [["Home"], "Home", "To the first frame", withVideo(() => player.seek(0))],
  [["End"], "End", "To the last frame that is known", withVideo(() => player.seek(Infinity))],
  [["l"], "L", "Draw a line", withTracks(() => editor.begin("line"))],
  [["z"], "Z", "Draw a zone", withTracks(() => editor.begin("zone"))],
  [["Enter"], "Enter", "Close the zone that is drawn", withTracks(() => editor.finish())],
  [["Escape"], "Esc", "Cancel what runs or is drawn", escape],
  [["o"], "O", "Open a file", () => $("file").click()],
  [["d"], "D", "Dark or light", () => $("theme").click()],
];

function tell(state, words) {
  $("health").textContent = words;
  $("health").dataset.state = state;
}

// Waits until a model is ready; where the reader gives no key, until there is one.
async function start() {
  $("enter-key").hidden = true;
  for (;;) {
    try {
      const info = await get("/v1/info");
      const ready = info.models.filter((model) => model.loaded).map(({ name }) => name);
      settings.offerModels(ready, info.default_model);
      load.start(info);
      if (ready.length) break;
      tell("waiting", "no model is ready yet");
    } catch (error) {
      tell("bad", wordsFor(error));
      $("enter-key").hidden = error.status !== 401;
      if (error.status === 401) return;
    }
    await new Promise((later) => { setTimeout(later, RETRY_MS); });
  }
  tell("ready", "ready");
  jobs.look();
}

askForKeys();
listen();
new Keys(KEYS);
showView();
start();
