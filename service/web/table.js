// The table: the objects of a picture, or the tracks of a video.

import { $, clock, counted, el } from "./dom.js";
import { colourOf, keyOf } from "./draw.js";

const HEADS = {
  image: ["Class", "Confidence", "Size"],
  tracks: ["ID", "Class", "Confidence", "Seen"],
};
const NUMBERS = new Set(["Confidence", "Size", "Seen"]); // set to the right

function percent(share) {
  return `${Math.round(share * 100)} %`;
}

export class Table {
  #choose;
  #rows = new Map(); // what a row is of: the row and its cells

  // `choose` is called with the key of an object whose row is clicked.
  constructor(choose) {
    this.#choose = choose;
  }

  clear() {
    this.#rows.clear();
    $("rows").replaceChildren();
    $("caption").textContent = "";
    $("heads").replaceChildren();
    $("table-empty").hidden = false;
  }

  update(recording, index, filter, chosen) {
    const frame = recording.frames[index];
    if (!frame) return;
    const objects = filter.objects(frame, recording);
    if (recording.kind === "image") {
      this.#show(HEADS.image, objects.map((object, i) => this.#object(object, i)), chosen);
      $("caption").textContent = counted(objects.length, "object");
    } else {
      const here = new Set(objects.map(({ track_id: id }) => id));
      const tracks = filter.tracks(recording);
      this.#show(HEADS.tracks, tracks.map((track) => this.#track(track, here)), chosen);
      $("caption").textContent = `${counted(tracks.length, "track")}, ${here.size} in this frame`;
    }
    $("table-empty").hidden = true;
  }

  #object(object, i) {
    const { x1, y1, x2, y2 } = object.box;
    const extent = `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)}`;
    const cells = [object.name, percent(object.confidence), extent];
    const does = `${object.name}, let it stand out`;
    return { id: `${object.name} ${i}`, key: keyOf(object), here: true, does, cells };
  }

  #track(track, here) {
    const { id, name, best, spans } = track;
    const seen = `${clock(spans[0].from)} – ${clock(spans.at(-1).to)}`;
    const cells = [String(id), name, percent(best), seen];
    return { id, key: id, here: here.has(id), does: `${id}, go to this track`, cells };
  }

  // Rows are kept and only their texts changed, so that a reader's place in them is kept too.
  #show(heads, wanted, chosen) {
    if ($("heads").childElementCount !== heads.length) {
      $("heads").replaceChildren(...heads.map((head) => el(
        "th",
        { scope: "col", class: NUMBERS.has(head) ? "number" : null },
        head,
      )));
    }
    const ids = new Set(wanted.map(({ id }) => id));
    for (const [id, { row }] of this.#rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    wanted.forEach((item, place) => {
      const { row, cells } = this.#rows.get(item.id) ?? this.#make(item, heads);
      if ($("rows").children[place] !== row) $("rows").insertBefore(row, $("rows").children[place]);
      row.classList.toggle("away", !item.here);
      row.classList.toggle("chosen", item.key === chosen);
      item.cells.forEach((text, i) => {
        if (cells[i].textContent !== text) cells[i].textContent = text;
      });
    });
  }

  #make({ id, key, does, cells: texts }, heads) {
    const first = el("button", {
      type: "button",
      class: "swatched",
      "aria-label": does,
      colour: colourOf(key),
      onclick: () => this.#choose(key),
    });
    const rest = heads.slice(1).map((head) => el("td", { class: NUMBERS.has(head) ? "number" : null }));
    const row = el("tr", {}, el("td", {}, first), ...rest);
    const made = { row, cells: [first, ...rest].slice(0, texts.length) };
    this.#rows.set(id, made);
    return made;
  }
}
