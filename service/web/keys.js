// The keyboard, and the two dialogs: what the keys do, and the server's key.

import { onKeyWanted } from "./api.js";
import { $, el } from "./dom.js";

const TYPING = "input, select";
const PRESSING = "button, a, summary";

export class Keys {
  #acts = new Map(); // name of the key: what it does

  // Each key: its name in events, how it is written, what it does in words, and the doing.
  constructor(keys) {
    for (const [names, , , act] of keys) {
      for (const name of names) this.#acts.set(name, act);
    }
    this.#acts.set("?", () => $("keys").showModal());
    $("show-keys").addEventListener("click", () => $("keys").showModal());
    const written = [...keys, [[], "?", "Show this list"]];
    $("keys-list").replaceChildren(...written.flatMap(([, how, words]) => [
      el("dt", {}, ...how.split(" ").map((one) => el("kbd", {}, one))),
      el("dd", {}, words),
    ]));
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    if ($("keys").open || $("key").open) return;
    if (target.matches(TYPING) && event.key !== "Escape") return;
    if ((event.key === " " || event.key === "Enter") && target.matches(PRESSING)) return;
    const act = this.#acts.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (act && act(event) !== false) event.preventDefault();
  }
}

// Lets the reader enter the key that the server asks for.
export function askForKeys() {
  onKeyWanted((detail) => new Promise((resolve) => {
    $("key-detail").textContent = detail;
    $("key-input").value = "";
    const closed = () => {
      $("key").removeEventListener("close", closed);
      resolve($("key").returnValue === "send" ? $("key-input").value.trim() : null);
    };
    $("key").returnValue = "";
    $("key").addEventListener("close", closed);
    if (!$("key").open) $("key").showModal();
  }));
}
