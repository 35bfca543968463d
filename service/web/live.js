// The webcam: its pictures go to the server one by one, and each is shown with its own answer,
// so that boxes never trail behind. What comes faster than it is answered is left out.

import { key, Problem } from "./api.js";
import { $ } from "./dom.js";

const WIDEST = 960; // pixels sent
const QUALITY = 0.8;
const UNANSWERED = 2; // pictures under way at once: more would only be old
const KEPT_SECONDS = 60;

function nextFrame(video) {
  return new Promise((resolve) => {
    video.requestVideoFrameCallback(resolve);
  });
}

function jpegOf(canvas) {
  return new Promise((resolve) => {
    canvas.toBlob(resolve, "image/jpeg", QUALITY);
  });
}

function opened(socket) {
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("close", () => reject(new Problem(
      "The server did not take the camera: all its places may be taken.",
    )));
  });
}

export class Camera {
  #socket = null;
  #stream = null;
  #pending = new Map(); // number of the frame: its picture, until it is answered
  #answered; // wakes the sender

  // Shows and records what the camera sees until `finish`, or until it is aborted; `shown` is
  // called for each answer.
  async run(recording, config, signal, shown) {
    signal.addEventListener("abort", () => this.#leave());
    const wanted = { video: { width: { ideal: 1280 }, facingMode: "environment" }, audio: false };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia(wanted);
      signal.throwIfAborted();
      const video = document.createElement("video");
      video.muted = true;
      video.srcObject = this.#stream;
      await video.play();
      signal.throwIfAborted();
      this.#socket = new WebSocket(new URL("/v1/live", location.href.replace(/^http/, "ws")));
      await opened(this.#socket);
      const ended = this.#listen(recording, shown);
      this.#socket.send(JSON.stringify({ ...config, key: key() }));
      this.#send(video);
      return await ended;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      this.#leave();
    }
  }

  // Asks for the end, what is under way is still answered; false where nothing is under way yet.
  finish() {
    this.#release();
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send('{"type":"end"}');
    return true;
  }

  #leave() {
    this.#release();
    this.#socket?.close();
  }

  #release() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#answered?.();
  }

  async #send(video) {
    const scale = Math.min(1, WIDEST / video.videoWidth);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    const context = canvas.getContext("2d");
    for (let number = 0; this.#stream; number += 1) {
      await nextFrame(video);
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      const [picture, jpeg] = await Promise.all([createImageBitmap(canvas), jpegOf(canvas)]);
      if (!this.#stream || this.#socket.readyState !== WebSocket.OPEN) return;
      this.#pending.set(number, picture);
      this.#socket.send(jpeg);
      while (this.#pending.size >= UNANSWERED && this.#stream) {
        await new Promise((resolve) => {
          this.#answered = resolve;
        });
      }
    }
  }

  #listen(recording, shown) {
    return new Promise((resolve, reject) => {
      let last = null;
      this.#socket.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "header") recording.start(message);
        else if (message.type === "frame") {
          this.#picture(message.frame);
          recording.add(message);
          recording.keep(KEPT_SECONDS);
          shown(message);
        } else {
          last = message;
        }
      });
      this.#socket.addEventListener("close", () => {
        if (last?.type === "end") resolve(last);
        else reject(new Problem(last?.message ?? "The connection was cut before its end."));
      });
    });
  }

  // The picture of the frame that was answered goes on the screen, older ones go.
  #picture(answered) {
    for (const [number, picture] of this.#pending) {
      if (number > answered) continue;
      if (number === answered) {
        const canvas = $("picture");
        canvas.width = picture.width;
        canvas.height = picture.height;
        canvas.getContext("2d").drawImage(picture, 0, 0);
      }
      picture.close();
      this.#pending.delete(number);
    }
    this.#answered?.();
  }
}
