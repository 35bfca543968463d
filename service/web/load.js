// The server's load at a glance, from its metrics. Nothing is asked while the page is not seen.

import { Problem, request } from "./api.js";
import { $ } from "./dom.js";

const EVERY_MS = 3000;
const KEPT = 30; // rates of the last 90 seconds

// Sums of the metrics over their labels: {name: value}.
function sums(text) {
  const found = {};
  for (const line of text.split("\n")) {
    const [, name, value] = /^(\w+)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
    if (name) found[name] = (found[name] ?? 0) + Number(value);
  }
  return found;
}

export class Load {
  #rates = [];
  #last = null; // {at, done} of the measurement before
  #timer = null;
  #places = null;

  start({ limits }) {
    if (this.#places) return;
    this.#places = limits.max_sessions;
    document.addEventListener("visibilitychange", () => this.#turn());
    this.#turn();
  }

  #turn() {
    clearTimeout(this.#timer);
    this.#last = null;
    if (!document.hidden) this.#measure();
  }

  async #measure() {
    try {
      this.#show(sums(await (await request("/metrics")).text()));
      $("load").classList.remove("stale");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // What stands there is marked as old.
      $("load").classList.add("stale");
    }
    this.#timer = setTimeout(() => this.#measure(), EVERY_MS);
  }

  #show(metrics) {
    const now = { at: performance.now(), done: metrics.trackline_batch_size_sum ?? 0 };
    if (this.#last) {
      const seconds = (now.at - this.#last.at) / 1000;
      this.#rates = [...this.#rates, (now.done - this.#last.done) / seconds].slice(-KEPT);
      $("load-rate").textContent = this.#rates.at(-1).toFixed(0);
      this.#line();
    }
    this.#last = now;
    $("load-queue").textContent = String(metrics.trackline_queue_length ?? 0);
    $("load-sessions").textContent = `${metrics.trackline_sessions ?? 0} of ${this.#places}`;
  }

  #line() {
    const most = Math.max(...this.#rates, 1);
    const points = this.#rates.map((rate, i) => `${i + KEPT - this.#rates.length},${10 - (9 * rate) / most}`);
    $("load-line").setAttribute("points", points.join(" "));
  }
}
