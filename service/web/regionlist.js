// The list of lines and zones, with the counts of each.

import { $, el, icon } from "./dom.js";

const COUNTS = {
  line: [["A → B", "a_to_b", "From side A to side B"], ["B → A", "b_to_a", "From side B to side A"]],
  zone: [
    ["inside", "inside", "Inside now"],
    ["entered", "entered", "Entered so far"],
    ["left", "left", "Left so far"],
    ["mean stay", "stay", "Mean stay of those that left, in seconds"],
  ],
};

function valueOf(what, totals) {
  if (what !== "stay") return String(totals[what]);
  return totals.left ? `${(totals.stay / totals.left).toFixed(1)} s` : "–";
}

export class RegionList {
  #regions;
  #cells = new Map(); // id of the region: its counts, by what is counted

  constructor(regions) {
    this.#regions = regions;
  }

  // Builds the list anew; called when there are other regions, or other names.
  build() {
    const { list } = this.#regions;
    const known = new Set(list.map(({ id }) => id));
    for (const item of [...$("regions").children]) {
      if (!known.has(Number(item.dataset.id))) item.remove();
    }
    for (const region of list) {
      if (!this.#cells.has(region.id)) $("regions").append(this.#item(region));
    }
    for (const id of this.#cells.keys()) if (!known.has(id)) this.#cells.delete(id);
    $("regions-empty").hidden = list.length > 0;
  }

  #item(region) {
    const cells = {};
    const counts = COUNTS[region.kind].map(([label, what, title]) => {
      cells[what] = el("dd", {}, "0");
      return el("div", { title }, el("dt", {}, label), cells[what]);
    });
    this.#cells.set(region.id, cells);
    const name = el("input", {
      type: "text",
      value: region.name,
      maxlength: "64",
      "aria-label": `Name of ${region.kind}`,
      onchange: () => {
        if (!this.#regions.rename(region, name.value.trim())) name.value = region.name;
      },
    });
    const button = (label, shape, onclick) => el(
      "button",
      { type: "button", class: "quiet-button", "aria-label": label, title: label, onclick },
      icon(shape),
    );
    return el(
      "li",
      { "data-id": region.id, class: "region" },
      el(
        "div",
        { class: "region-head" },
        icon(region.kind),
        name,
        region.kind === "line"
          ? button("Swap the sides", "swap", () => this.#regions.turn(region))
          : null,
        button(`Remove this ${region.kind}`, "trash", () => this.#regions.remove(region)),
      ),
      el("dl", { class: "counts" }, ...counts),
    );
  }

  update(totalsOf) {
    for (const region of this.#regions.list) {
      const totals = totalsOf(region);
      for (const [what, cell] of Object.entries(this.#cells.get(region.id) ?? {})) {
        const text = valueOf(what, totals);
        if (cell.textContent !== text) cell.textContent = text;
      }
    }
  }
}
