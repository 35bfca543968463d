// Who is there when: a lane for each track, under the slider that goes through the video.

import { $, clock, el } from "./dom.js";
import { colourOf } from "./draw.js";

export class Timeline {
  #choose;
  #lanes = new Map(); // id of the track: its lane, the bars in it, and what they were drawn from

  // `choose` is called with the id of a track that is clicked.
  constructor(choose) {
    this.#choose = choose;
  }

  clear() {
    this.#lanes.clear();
    $("lanes").replaceChildren();
    $("timeline").hidden = true;
  }

  update(recording, filter, chosen) {
    const tracks = filter.tracks(recording);
    const wanted = new Set(tracks.map(({ id }) => id));
    for (const [id, { lane }] of this.#lanes) {
      if (wanted.has(id)) continue;
      lane.parentElement.remove();
      this.#lanes.delete(id);
    }
    const from = recording.from;
    const seconds = Math.max(recording.seconds - from, 0.1);
    const share = (time) => `${Math.max(0, (100 * (time - from)) / seconds).toFixed(2)}%`;
    for (const track of tracks) {
      const made = this.#lanes.get(track.id) ?? this.#make(track);
      const { lane, bars } = made;
      const { spans } = track;
      lane.classList.toggle("chosen", track.id === chosen);
      const drawn = `${from} ${seconds} ${spans.length} ${spans.at(-1).to}`;
      if (made.drawn === drawn) continue;
      made.drawn = drawn;
      while (bars.childElementCount < spans.length) bars.append(el("span"));
      spans.forEach((span, i) => {
        bars.children[i].style.left = share(span.from);
        bars.children[i].style.width = share(from + span.to - span.from);
      });
      const seen = `${clock(spans[0].from)} to ${clock(spans.at(-1).to)}`;
      lane.setAttribute("aria-label", `Track ${track.id}, ${track.name}, ${seen}: go to it`);
    }
    $("timeline").hidden = tracks.length === 0;
  }

  // A thin line over all lanes marks the time that is shown.
  mark(recording, time) {
    const seconds = Math.max(recording.seconds - recording.from, 0.1);
    const share = Math.min(Math.max((time - recording.from) / seconds, 0), 1);
    $("timeline").style.setProperty("--at", share.toFixed(4));
  }

  show(id) {
    this.#lanes.get(id)?.lane.scrollIntoView({ block: "nearest" });
  }

  #make({ id, name }) {
    const bars = el("span", { class: "bars" });
    const lane = el(
      "button",
      { type: "button", class: "lane", colour: colourOf(id), onclick: () => this.#choose(id) },
      el("span", { class: "lane-name swatched" }, `${id} ${name}`),
      bars,
    );
    $("lanes").append(el("li", {}, lane));
    this.#lanes.set(id, { lane, bars, drawn: null });
    return this.#lanes.get(id);
  }
}
