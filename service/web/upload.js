// A file sent with the progress of its sending, which fetch does not tell.

import { BYTES, key, Problem } from "./api.js";

function answerOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return {}; // what stands between page and server may answer in words of its own
  }
}

// Answers the parsed answer; `progressed` is called with the share that is sent.
export function upload(path, file, progressed, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", BYTES);
    if (key()) request.setRequestHeader("X-API-Key", key());
    request.upload.addEventListener("progress", ({ loaded, total }) => progressed(loaded / total));
    request.addEventListener("load", () => {
      const answer = answerOf(request);
      if (request.status < 300) resolve(answer);
      else reject(new Problem(answer.detail || `The server answered ${request.status}.`));
    });
    request.addEventListener("error", () => reject(new Problem("The server cannot be reached.")));
    request.addEventListener("abort", () => reject(new DOMException("Cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
