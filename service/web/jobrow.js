// One job in the list: how far it is, what can be fetched of it, and its end.

import { wordsFor } from "./api.js";
import { counted, duration, el, icon, size } from "./dom.js";

const WORDS = {
  sending: "Sending",
  queued: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};
const ACTIVE = new Set(["sending", "queued", "running"]);
const FORMS = [["MOT", "mot"], ["CSV", "csv"], ["JSON", "json"]];
const SURE_MS = 4000; // in which a second click deletes

function stem(name) {
  return name.replace(/\.[^.]+$/, "");
}

function progressOf({ status, frames_done: done, frames_total: total, fps }) {
  if (status === "queued") return "waits for its turn";
  const rate = status === "running" && fps ? `, ${fps.toFixed(0)} frames/s` : "";
  const left = status === "running" && fps && total ? `, ${duration((total - done) / fps)} left` : "";
  return `${total && status === "running" ? `${done} of ${total}` : counted(done, "frame")}${rate}${left}`;
}

export class JobRow {
  job = null;
  name = "";
  #does;

  // `does` holds what the buttons do: open, cancel (which also deletes), fetch.
  constructor(does) {
    this.#does = does;
    this.title = el("h3", {});
    this.status = el("span", { class: "status" });
    this.detail = el("p", { class: "quiet" });
    this.problem = el("p", { class: "bad", role: "alert", hidden: true });
    this.progress = el("progress", { max: "1", value: "0" });
    this.refined = el("input", { type: "checkbox" });
    const fetching = (label, path) => this.#button(label, "download", path);
    this.downloads = el(
      "div",
      { class: "downloads", role: "group", "aria-label": "Results" },
      fetching("Video", () => [this.job.links.annotated, `${stem(this.name)}.annotated.mp4`]),
      ...FORMS.map(([label, kind]) => fetching(label, () => this.#tracks(kind))),
      el("label", { class: "check", title: "Linked and smoothed with all of the video in view" },
        this.refined, "refined"),
    );
    this.opening = el("button", { type: "button", class: "soft", onclick: () => does.open() },
      icon("view"), "Open");
    this.ending = el("button", { type: "button", class: "soft danger", onclick: () => this.#end() });
    this.element = el(
      "li",
      { class: "job" },
      el("div", { class: "job-head" }, this.status, this.title, this.opening, this.ending),
      this.progress,
      this.detail,
      this.problem,
      this.downloads,
    );
  }

  #tracks(kind) {
    const refined = this.refined.checked;
    const path = `${this.job.links[kind]}${refined ? "?refined=true" : ""}`;
    return [path, `${stem(this.name)}${refined ? ".refined" : ""}.${kind}`];
  }

  // A result may have to be made first: the button says so, and what goes wrong stands below.
  #button(label, shape, where) {
    const button = el("button", { type: "button", class: "soft" }, icon(shape), label);
    button.addEventListener("click", () => this.#busy(button, () => this.#does.fetch(...where())));
    return button;
  }

  async #busy(button, work) {
    this.problem.hidden = true;
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      this.#complain(wordsFor(error));
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }

  #complain(text) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
  }

  // What has ended is deleted with all its results, so that is asked twice.
  #end() {
    const sure = ACTIVE.has(this.status.dataset.status) || this.ending.dataset.sure;
    if (sure || !this.job) {
      this.#busy(this.ending, async () => this.#does.cancel());
      return;
    }
    this.ending.dataset.sure = "yes";
    this.ending.replaceChildren("Delete it?");
    setTimeout(() => {
      delete this.ending.dataset.sure;
      this.#nameEnding();
    }, SURE_MS);
  }

  #nameEnding() {
    const word = ACTIVE.has(this.status.dataset.status) ? "Cancel" : "Delete";
    this.ending.replaceChildren(icon(word === "Cancel" ? "close" : "trash"), word);
  }

  #set(status, name, share) {
    const changed = this.status.dataset.status !== status;
    this.name = name;
    this.title.textContent = name;
    this.progress.setAttribute("aria-label", `Progress of ${name}`);
    this.progress.hidden = !ACTIVE.has(status);
    if (share === null) this.progress.removeAttribute("value");
    else this.progress.value = share;
    if (!changed) return;
    this.status.dataset.status = status;
    this.status.textContent = WORDS[status];
    this.opening.hidden = !["running", "done"].includes(status);
    this.downloads.hidden = status !== "done";
    this.#nameEnding();
  }

  // The video is on its way.
  sending(name, share) {
    this.#set("sending", name, share);
    this.detail.textContent = `${Math.round(100 * share)} % sent`;
  }

  // It was not taken.
  failed(name, reason) {
    this.#set("failed", name, 0);
    this.detail.textContent = "";
    this.#complain(reason);
  }

  update(job, name) {
    this.job = job;
    const { status, frames_done: done, frames_total: total, created, model, bytes, error } = job;
    this.#set(status, name, total || status === "queued" ? done / (total || 1) : null);
    const when = new Date(created * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    this.detail.textContent = [progressOf(job), model, size(bytes), when].join(" · ");
    if (error) this.#complain(error.message);
  }
}
