// What of the answer is shown: decided here, so that it acts at once and nothing is sent again.

export const LEAST_CONFIDENCE = 0.1; // asked of the server

export class Filter {
  confidence = 0.25;
  names = new Set(); // of the classes that are shown; all of them where it is empty

  wantsName(name) {
    return !this.names.size || this.names.has(name);
  }

  // A track is as sure as its best frame, so that it does not come and go.
  wantsTrack(track) {
    return track.best >= this.confidence && this.wantsName(track.name);
  }

  objects(frame, recording) {
    return frame.objects.filter((object) => {
      const track = recording.tracks.get(object.track_id);
      if (track) return this.wantsTrack(track);
      return object.confidence >= this.confidence && this.wantsName(object.name);
    });
  }

  tracks(recording) {
    return [...recording.tracks.values()].filter((track) => this.wantsTrack(track));
  }
}
