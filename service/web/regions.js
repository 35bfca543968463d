// Lines and zones, in shares of the picture's size, so that they hold for every picture of a
// camera; and what has happened at them.

import { Tally } from "./counting.js";

const MOST = 16; // of each kind, that the server takes

export class Regions {
  list = [];
  #changed;
  #made = 0;

  // `changed` is called when there are others, or they have moved.
  constructor(changed) {
    this.#changed = changed;
  }

  of(kind) {
    return this.list.filter((region) => region.kind === kind);
  }

  hasRoom(kind) {
    return this.of(kind).length < MOST;
  }

  add(kind, points) {
    const noun = kind === "line" ? "Line" : "Zone";
    const taken = new Set(this.list.map(({ name }) => name));
    let number = this.of(kind).length + 1;
    while (taken.has(`${noun} ${number}`)) number += 1;
    this.#made += 1;
    const region = { id: this.#made, kind, name: `${noun} ${number}`, points, tally: null };
    this.list.push(region);
    this.#changed();
    return region;
  }

  remove(region) {
    this.list = this.list.filter((one) => one !== region);
    this.#changed();
  }

  // Names are told apart by the server; answers whether the name could be taken.
  rename(region, name) {
    if (!name || this.list.some((one) => one !== region && one.name === name)) return false;
    region.name = name;
    this.#changed();
    return true;
  }

  move(region, number, point) {
    region.points[number] = point;
    region.tally = null;
    this.#changed();
  }

  turn(region) {
    region.points.reverse();
    region.tally = null;
    this.#changed();
  }

  // What has happened at a region up to a time, of the classes and tracks that are shown.
  totals(region, recording, time, filter) {
    if (region.tally?.of !== recording) {
      region.tally = Object.assign(new Tally(region, recording), { of: recording });
    }
    region.tally.update(recording);
    return region.tally.at(time, ({ id, name }) => {
      const track = recording.tracks.get(id);
      return filter.wantsName(name) && (!track || track.best >= filter.confidence);
    });
  }

  // As the server takes them (docs/counting.md).
  get query() {
    const query = {};
    for (const kind of ["line", "zone"]) {
      const shapes = this.of(kind).map(({ name, points }) => ({ name, points, normalized: true }));
      if (shapes.length) query[`${kind}s`] = JSON.stringify(shapes);
    }
    return query;
  }
}
