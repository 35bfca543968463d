// The controls: model, confidence and classes.

import { $, el } from "./dom.js";

export class Settings {
  #filter;
  #changed;
  #chips = new Map(); // name of the class: its button and the number on it

  // `changed` is called when another part of the answer is to be shown, `rerun` for another model.
  constructor(filter, changed, rerun) {
    this.#filter = filter;
    this.#changed = changed;
    $("confidence").addEventListener("input", () => {
      filter.confidence = Number($("confidence").value);
      this.#tell();
      changed();
    });
    $("model").addEventListener("change", rerun);
    this.#tell();
  }

  #tell() {
    const text = `${Math.round(this.#filter.confidence * 100)} %`;
    $("confidence-value").value = text;
    $("confidence").setAttribute("aria-valuetext", text);
  }

  get model() {
    return $("model").value;
  }

  offerModels(names, chosen) {
    const before = this.model;
    $("model").replaceChildren(...names.map((name) => new Option(name, name)));
    $("model").value = names.includes(before) ? before : chosen;
  }

  clear() {
    this.#filter.names.clear();
    this.#chips.clear();
    $("classes").replaceChildren();
    $("classes-empty").hidden = false;
  }

  // Classes with the number of their objects, or of their tracks, that are sure enough.
  update(recording) {
    const tracks = [...recording.tracks.values()];
    const objects = recording.kind === "image" ? recording.frames[0].objects : tracks;
    const numbers = new Map();
    for (const { name, best, confidence } of objects) {
      const sure = (best ?? confidence) >= this.#filter.confidence;
      numbers.set(name, (numbers.get(name) ?? 0) + (sure ? 1 : 0));
    }
    for (const name of numbers.keys()) if (!this.#chips.has(name)) this.#make(name);
    // A track may turn out to be of another class, and leave none of its first one.
    for (const [name, chip] of this.#chips) {
      const text = String(numbers.get(name) ?? 0);
      if (chip.number.textContent !== text) chip.number.textContent = text;
    }
    $("classes-empty").hidden = this.#chips.size > 0;
  }

  #make(name) {
    const number = el("span", { class: "chip-number" });
    const button = el(
      "button",
      { type: "button", class: "chip", "aria-pressed": "false", onclick: () => this.#toggle(name) },
      `${name} `,
      number,
    );
    this.#chips.set(name, { button, number });
    $("classes").append(button);
  }

  #toggle(name) {
    const { names } = this.#filter;
    if (!names.delete(name)) names.add(name);
    this.#chips.get(name).button.setAttribute("aria-pressed", String(names.has(name)));
    this.#changed();
  }
}
