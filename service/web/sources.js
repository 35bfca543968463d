// Where recordings come from: a picture, a video, or the stream of a job.

import { lines, post, Problem, request } from "./api.js";
import { counted } from "./dom.js";
import { LEAST_CONFIDENCE } from "./filter.js";

const VIDEO_NAME = /\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|mjpe?g|gif)$/i;

export function isVideo({ type, name }) {
  return type.startsWith("video/") || type === "image/gif" || VIDEO_NAME.test(name);
}

// The parameters of every request: more is asked for than shown, so that the filter can act here.
export function queryFor(model) {
  return { conf: LEAST_CONFIDENCE, ...(model && { model }) };
}

export async function detect(recording, file, model, signal) {
  const path = `/v1/detect?${new URLSearchParams(queryFor(model))}`;
  const answer = await (await post(path, file, signal)).json();
  recording.start(answer.image);
  recording.add({ time: 0, objects: answer.detections });
  recording.ended = true;
  return answer;
}

export async function track(recording, file, model, signal, heard) {
  const path = `/v1/track?${new URLSearchParams(queryFor(model))}`;
  return follow(recording, await post(path, file, signal), heard);
}

export async function replay(recording, job, signal, heard) {
  return follow(recording, await request(job.links.tracks, { signal }), heard);
}

// Reads a track stream to its end; `heard` is called for its header and each frame.
async function follow(recording, response, heard) {
  try {
    for await (const line of lines(response)) {
      if (line.type === "error") throw new Problem(line.message);
      if (line.type === "end") return line;
      if (line.type === "header") recording.start(line);
      else recording.add(line);
      heard(line);
    }
  } finally {
    recording.ended = true;
  }
  const { added } = recording;
  throw new Problem(`The stream was cut after ${counted(added, "frame")}; what came is shown.`);
}
