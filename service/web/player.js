// The time of what is shown: that of the video element, or, where the browser cannot play the
// video, a clock of its own. It never runs ahead of what the server has answered.

const LEAD = 0.8; // seconds answered ahead at which a video runs at its own speed
const LEAST_LEAD = 0.1; // with less than that it waits
const SLOWEST = 0.1;
const INTO_FRAME = 0.001; // seconds into a frame, so that no rounding shows the one before

export class Player {
  #video;
  #shown;
  #clock = null; // time of a video without pictures
  #time = 0;
  #wanted = false; // whether the reader wants it to run
  #began = 0;

  // `shown` is called when another frame is shown, or it runs or stops.
  constructor(video, shown) {
    this.#video = video;
    this.#shown = shown;
    for (const type of ["play", "pause"]) video.addEventListener(type, shown);
    video.addEventListener("seeked", () => this.recording && this.#at(video.currentTime));
    // The last frames may not have been told of: going to the last one is.
    video.addEventListener("ended", () => video.ended && this.seek(this.recording.known));
    this.#listen();
  }

  open(recording) {
    this.recording = recording;
    cancelAnimationFrame(this.#clock);
    this.#clock = null;
    this.#time = 0;
    this.#wanted = recording.kind === "video";
  }

  // For a video that this browser has no decoder for.
  withoutPicture() {
    if (this.#clock) return;
    this.#clock = requestAnimationFrame((now) => this.#tick(now));
    this.#began = performance.now();
  }

  get time() {
    return this.#time;
  }

  get index() {
    return this.recording.indexAt(this.#time);
  }

  get running() {
    return this.#wanted;
  }

  play() {
    if (this.#atEnd()) this.seek(0);
    this.#wanted = true;
    this.keepPace();
    this.#shown();
  }

  pause() {
    this.#wanted = false;
    this.#video.pause();
    this.#shown();
  }

  toggle() {
    if (this.#wanted) this.pause();
    else this.play();
  }

  seek(time) {
    const known = this.recording.known;
    const to = Math.min(Math.max(time, 0), known);
    if (!this.#clock) this.#video.currentTime = to + INTO_FRAME;
    this.#at(to);
  }

  step(frames) {
    this.pause();
    const { frames: all } = this.recording;
    const index = Math.min(Math.max(this.index + frames, 0), all.length - 1);
    if (index >= 0) this.seek(all[index].time);
  }

  // Called when more is known: the less there is ahead, the slower the video runs.
  keepPace() {
    if (this.#clock || !this.#wanted) return;
    const { ended, known } = this.recording;
    const video = this.#video;
    const lead = known - video.currentTime;
    const rate = ended ? 1 : Math.min(Math.max(lead / LEAD, SLOWEST), 1);
    if (Math.abs(video.playbackRate - rate) > 0.05) video.playbackRate = rate;
    if (!ended && lead < LEAST_LEAD) video.pause();
    // A player that has no decoder, or is stopped, says so by its own means.
    else if (video.paused && !video.ended) video.play().catch(() => undefined);
  }

  #atEnd() {
    const { ended, known } = this.recording;
    return ended && this.#time >= known - INTO_FRAME;
  }

  #at(time) {
    this.#time = time;
    if (this.#atEnd()) {
      this.#wanted = false;
      this.#video.pause();
    }
    this.#shown();
  }

  // In step: the browser tells the time of each frame as it puts it on the screen.
  #listen() {
    this.#video.requestVideoFrameCallback((_, { mediaTime }) => {
      if (this.recording?.kind === "video" && !this.#clock) this.#presented(mediaTime);
      this.#listen();
    });
  }

  // A video may be longer than what was answered of it.
  #presented(time) {
    this.#at(time);
    if (time > this.recording.known + INTO_FRAME) this.seek(this.recording.known);
    this.keepPace();
  }

  #tick(now) {
    const past = (now - this.#began) / 1000;
    this.#began = now;
    if (this.#wanted) this.#at(Math.min(this.#time + past, this.recording.known));
    this.#clock = requestAnimationFrame((next) => this.#tick(next));
  }
}
