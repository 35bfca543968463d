// Videos that the server follows in the background: sent, watched, fetched and removed.

import { get, request, wordsFor } from "./api.js";
import { $, counted } from "./dom.js";
import { JobRow } from "./jobrow.js";
import { upload } from "./upload.js";

const NAMES = "trackline.jobs"; // names of the files sent from here; the server keeps none
const SHOWN_MS = 1000; // between looks, while the list is seen
const HIDDEN_MS = 4000;
const ACTIVE = new Set(["queued", "running"]);

function savedNames() {
  return JSON.parse(localStorage.getItem(NAMES) ?? "{}");
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export class Jobs {
  #rows = new Map();
  #files = new Map(); // of the videos sent from this page, to show their tracks over them
  #timer = null;
  #open;

  // `open` is called with a job, its name and, where this page has it, its file.
  constructor(open) {
    this.#open = open;
    document.addEventListener("visibilitychange", () => this.look());
  }

  // Looks at once, then again and again while there is something to see.
  async look() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    let active = [];
    try {
      const { videos } = await get("/v1/videos");
      this.#show(videos);
      active = videos.filter(({ status }) => ACTIVE.has(status));
      this.#say("");
    } catch (error) {
      this.#say(wordsFor(error));
    }
    $("jobs-active").textContent = active.length ? String(active.length) : "";
    $("jobs-active").hidden = !active.length;
    const shown = !$("jobs-view").hidden;
    if (active.length) {
      this.#timer = setTimeout(() => this.look(), shown ? SHOWN_MS : HIDDEN_MS);
    }
  }

  async add(file, query) {
    const controller = new AbortController();
    const row = new JobRow({
      cancel: () => {
        controller.abort();
        row.element.remove();
        this.#count();
      },
    });
    row.sending(file.name, 0);
    $("jobs").prepend(row.element);
    this.#count();
    try {
      const path = `/v1/videos?${new URLSearchParams(query)}`;
      const progressed = (share) => row.sending(file.name, share);
      const { id } = await upload(path, file, progressed, controller.signal);
      this.#files.set(id, file);
      localStorage.setItem(NAMES, JSON.stringify({ ...savedNames(), [id]: file.name }));
      row.element.remove();
      await this.look();
    } catch (error) {
      if (error.name !== "AbortError") row.failed(file.name, wordsFor(error));
    }
  }

  #say(text) {
    $("jobs-message").textContent = text;
  }

  #show(videos) {
    const names = savedNames();
    const listed = new Set(videos.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (listed.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
      this.#files.delete(id);
    }
    // A list that was asked for before a video was sent does not have it yet.
    const kept = Object.entries(names).filter(([id]) => listed.has(id) || this.#files.has(id));
    localStorage.setItem(NAMES, JSON.stringify(Object.fromEntries(kept)));
    for (const job of [...videos].reverse()) {
      let row = this.#rows.get(job.id);
      if (!row) {
        row = this.#make(job.id);
        $("jobs").prepend(row.element);
      }
      row.update(job, names[job.id] ?? `Video ${job.id.slice(0, 8)}`);
    }
    this.#count();
  }

  #count() {
    const { childElementCount: number } = $("jobs");
    $("jobs-count").textContent = counted(number, "job");
    $("jobs-empty").hidden = number > 0;
  }

  #make(id) {
    const row = new JobRow({
      open: () => this.#open(row.job, row.name, this.#files.get(id) ?? null),
      cancel: () => this.#remove(row),
      fetch: (path, name) => this.#fetch(path, name),
    });
    this.#rows.set(id, row);
    return row;
  }

  async #remove(row) {
    await request(row.job.links.self, { method: "DELETE" });
    await this.look();
  }

  // With the key, which a plain link could not send.
  async #fetch(path, name) {
    save(await (await request(path)).blob(), name);
  }
}
