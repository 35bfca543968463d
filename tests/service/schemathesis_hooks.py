"""Bodies for Schemathesis: real pictures and videos beside bytes that are none."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies as st

from tests.service.clips import clip
from tests.service.pictures import encode, jpeg, with_red_box

PICTURES = {
    "image/jpeg": jpeg(),
    "image/png": encode(with_red_box(), "PNG"),
    "image/webp": encode(with_red_box(), "WEBP"),
    "image/bmp": encode(with_red_box(), "BMP"),
}
VIDEOS = [clip("mp4", 4), clip("matroska", 3), clip("gif", 2)]

for media_type, picture in PICTURES.items():
    schemathesis.openapi.media_type(media_type, st.just(picture) | st.binary())
schemathesis.openapi.media_type("video/*", st.sampled_from(VIDEOS) | st.binary())
schemathesis.openapi.media_type(
    "application/octet-stream", st.sampled_from([*PICTURES.values(), *VIDEOS]) | st.binary()
)
