// One recording on the screen: picture, table, timeline and counts, kept in step.

import { $ } from "./dom.js";
import { keyOf } from "./draw.js";
import { Editor } from "./editor.js";
import { Filter } from "./filter.js";
import { Player } from "./player.js";
import { Recording } from "./recording.js";
import { RegionList } from "./regionlist.js";
import { Regions } from "./regions.js";
import { Settings } from "./settings.js";
import { shareAt, Stage } from "./stage.js";
import { Table } from "./table.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";

const PANELS_MS = 100; // between two updates of what stands beside the picture

export class Viewer {
  recording = null;
  chosen = null; // key of the object that stands out
  filter = new Filter();
  #painting = null;
  #panels = null;

  // `rerun` is called when another model is chosen.
  constructor(rerun) {
    const repaint = () => this.repaint();
    const choose = (key) => this.choose(key);
    this.stage = new Stage(repaint);
    this.player = new Player($("video"), repaint);
    this.transport = new Transport(this.player);
    this.regions = new Regions(() => this.#regionsChanged());
    this.regionList = new RegionList(this.regions);
    this.editor = new Editor(this.regions, repaint);
    this.table = new Table(choose);
    this.timeline = new Timeline(choose);
    this.settings = new Settings(this.filter, repaint, rerun);
    $("overlay").addEventListener("click", (event) => this.#chooseAt(event));
    $("video").addEventListener("error", () => this.withoutPicture());
  }

  // An empty recording of a kind, shown in a medium, to be filled.
  open(kind, medium, file) {
    this.editor.cancel();
    this.recording = new Recording(kind);
    this.chosen = null;
    this.stage.show(medium, file);
    this.player.open(this.recording);
    this.transport.show(kind);
    for (const part of [this.table, this.timeline, this.settings]) part.clear();
    $("stage").dataset.kind = kind;
    $("tools").disabled = kind === "image";
    $("handles").hidden = kind === "image";
    return this.recording;
  }

  get tracksObjects() {
    return this.recording !== null && this.recording.kind !== "image";
  }

  get playsVideo() {
    return this.recording?.kind === "video";
  }

  // More is known.
  grown() {
    this.stage.fit(this.recording);
    if (this.playsVideo) this.player.keepPace();
    this.repaint();
  }

  // A video that this browser has no decoder for: its objects are drawn on a plain ground.
  withoutPicture() {
    if (!this.playsVideo) return;
    this.stage.withoutPicture();
    this.player.withoutPicture();
  }

  // Lets one object stand out, and goes to where it comes in.
  choose(key) {
    this.chosen = key;
    const track = this.recording?.tracks.get(key);
    if (track && this.playsVideo) this.player.seek(track.spans[0].from);
    if (track) this.timeline.show(key);
    this.repaint();
  }

  #chooseAt(event) {
    if (this.editor.draft || !this.#frame) return;
    const { width, height } = this.recording;
    const [x, y] = shareAt(event).map((share, axis) => share * (axis ? height : width));
    const [nearest] = this.filter.objects(this.#frame, this.recording)
      .filter(({ box }) => x >= box.x1 && x <= box.x2 && y >= box.y1 && y <= box.y2)
      .sort((one, other) => one.box.y2 - one.box.y1 - (other.box.y2 - other.box.y1));
    const key = nearest ? keyOf(nearest) : null;
    this.chosen = key === this.chosen ? null : key;
    if (this.chosen !== null) this.timeline.show(this.chosen);
    this.repaint();
  }

  repaint() {
    this.#painting ??= requestAnimationFrame(() => this.#paint());
  }

  #regionsChanged() {
    this.regionList.build();
    this.editor.showHandles();
    this.repaint();
  }

  get #index() {
    const { recording } = this;
    return recording.kind === "live" ? recording.frames.length - 1 : this.player.index;
  }

  get #frame() {
    return this.recording?.frames[this.#index];
  }

  #totalsOf(region) {
    return this.regions.totals(region, this.recording, this.#frame.time, this.filter);
  }

  #paint() {
    this.#painting = null;
    if (!this.#frame) return;
    const { recording, filter, chosen } = this;
    const index = this.#index;
    const regions = this.tracksObjects
      ? this.regions.list.map((region) => ({ ...region, totals: this.#totalsOf(region) }))
      : [];
    if (this.editor.draft?.points.length) regions.push(this.editor.draft);
    this.stage.draw(recording, index, { filter, regions, chosen });
    if (this.tracksObjects) {
      this.transport.update(recording, index);
      this.timeline.mark(recording, this.#frame.time);
    }
    this.#panels ??= setTimeout(() => this.#paintPanels(), PANELS_MS);
  }

  #paintPanels() {
    this.#panels = null;
    if (!this.#frame) return;
    const { recording, filter, chosen } = this;
    this.table.update(recording, this.#index, filter, chosen);
    this.settings.update(recording);
    if (!this.tracksObjects) return;
    this.timeline.update(recording, filter, chosen);
    this.regionList.update((region) => this.#totalsOf(region));
  }
}
