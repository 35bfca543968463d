// What is known of one video, of a camera, or of a picture: its frames and its tracks.

const SLACK = 0.002; // seconds: a time stamp that a player has rounded is still that frame

export class Recording {
  constructor(kind) {
    this.kind = kind; // "image", "video" or "live"
    this.width = 0;
    this.height = 0;
    this.expected = null; // frames that there will be, where the file says so
    this.fps = null;
    this.frames = [];
    this.tracks = new Map();
    this.ended = false;
    this.added = 0;
  }

  start({ width, height, fps = null, frames = null }) {
    Object.assign(this, { width, height, fps, expected: frames });
  }

  add(frame) {
    const before = this.known;
    this.frames.push(frame);
    this.added += 1;
    for (const object of frame.objects) {
      if (object.track_id !== undefined) this.#follow(object, frame.time, before);
    }
  }

  #follow({ track_id: id, name, class: classId, confidence }, time, before) {
    const track = this.tracks.get(id) ?? { id, best: 0, spans: [] };
    Object.assign(track, { name, class: classId, best: Math.max(track.best, confidence) });
    const span = track.spans.at(-1);
    if (span && span.to === before) span.to = time;
    else track.spans.push({ from: time, to: time });
    this.tracks.set(id, track);
  }

  // Time of the last frame that is known.
  get known() {
    return this.frames.length ? this.frames.at(-1).time : 0;
  }

  get from() {
    return this.frames.length ? this.frames[0].time : 0;
  }

  get seconds() {
    const promised = this.expected && this.fps ? this.expected / this.fps : 0;
    return this.ended ? this.known : Math.max(promised, this.known);
  }

  // The frame that is in the picture at a time: the last one that has begun.
  indexAt(time) {
    let low = 0;
    let high = this.frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.frames[middle].time <= time + SLACK) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // A camera may run for days: what is older than this many seconds is let go.
  keep(seconds) {
    const from = this.known - seconds;
    const old = this.frames.findIndex(({ time }) => time >= from);
    this.frames.splice(0, old);
    for (const [id, track] of this.tracks) {
      if (track.spans.at(-1).to < from) this.tracks.delete(id);
    }
  }
}
