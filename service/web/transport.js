// The buttons and the slider under the picture.

import { $, clock, icon } from "./dom.js";

export class Transport {
  #player;
  #running = null;

  constructor(player) {
    this.#player = player;
    $("play").addEventListener("click", () => player.toggle());
    $("back").addEventListener("click", () => player.step(-1));
    $("forward").addEventListener("click", () => player.step(1));
    $("scrub").addEventListener("input", () => {
      const { frames } = player.recording;
      const frame = frames[Math.min(Number($("scrub").value), frames.length - 1)];
      if (frame) player.seek(frame.time);
    });
  }

  show(kind) {
    $("transport").hidden = kind !== "video";
    $("scrub").disabled = kind !== "video";
    $("timeline").classList.toggle("rolling", kind === "live");
    $("scrub").value = 0;
  }

  update(recording, index) {
    const last = Math.max((recording.ended ? 0 : recording.expected ?? 0), recording.frames.length) - 1;
    const frame = recording.frames[index]?.frame ?? 0;
    $("scrub").max = Math.max(last, 0);
    $("scrub").value = index;
    $("scrub").style.setProperty("--known", String((recording.frames.length - 1) / Math.max(last, 1)));
    $("scrub").style.setProperty("--at", String(index / Math.max(last, 1)));
    const time = `${clock(recording.frames[index]?.time ?? 0)} / ${clock(recording.seconds)}`;
    $("scrub").setAttribute("aria-valuetext", `Frame ${frame}, ${time}`);
    $("time").textContent = time;
    $("frame").textContent = `frame ${frame}`;
    const { running } = this.#player;
    if (running === this.#running) return;
    this.#running = running;
    $("play").replaceChildren(icon(running ? "pause" : "play"));
    $("play").setAttribute("aria-label", running ? "Pause" : "Play");
  }
}
