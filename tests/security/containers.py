"""Videos that name other files or claim what is not so, made by rewriting good ones."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.service.clips import INDEX_LAST, clip

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"dinf")


def mp4_that_names(address: str) -> bytes:
    """An MP4 whose pictures are said to lie at an address (ISO/IEC 14496-12, 8.7.2)."""
    entry = _box(b"url ", bytes(4) + address.encode() + b"\0")
    return _with_reference(entry)


def mov_that_names(path: str) -> bytes:
    """A QuickTime file whose pictures are said to lie in another one, by an alias record."""
    tail = path.encode()
    alias = bytes(150) + struct.pack(">HH", 2, len(tail)) + tail + bytes(len(tail) % 2)
    alias += struct.pack(">HH", 0xFFFF, 0)
    return _with_reference(_box(b"alis", bytes(4) + alias))


def _with_reference(entry: bytes) -> bytes:
    reference = _box(b"dref", bytes(4) + struct.pack(">I", 1) + entry)
    return _rewritten(clip("mov", 5, options=INDEX_LAST), lambda old: reference)


def mp4_reference_movie(address: str) -> bytes:
    """A movie that is nothing but the address of another one."""
    data = b"url " + struct.pack(">I", len(address) + 1) + address.encode() + b"\0"
    descriptor = _box(b"rmda", _box(b"rdrf", bytes(4) + data))
    start = _box(b"ftyp", b"qt  " + bytes(4) + b"qt  ")
    return start + _box(b"moov", _box(b"rmra", descriptor))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def _rewritten(data: bytes, new: Callable[[bytes], bytes]) -> bytes:
    """The boxes again, with another ``dref`` in each track."""
    out, at = b"", 0
    while at < len(data):
        size, name = struct.unpack_from(">I", data, at)[0], data[at + 4 : at + 8]
        content = data[at + 8 : at + size]
        if name in _PARENTS:
            out += _box(name, _rewritten(content, new))
        else:
            out += new(content) if name == b"dref" else data[at : at + size]
        at += size
    return out


def avi_with_subtitle(subtitle: bytes) -> bytes:
    """An AVI with a stream of text whose one packet is a file of its own (a GAB2 chunk)."""
    video = clip("avi", 5)
    name = "a".encode("utf-16-le") + b"\0\0"
    packet = b"GAB2\0" + struct.pack("<HI", 2, len(name)) + name
    packet += struct.pack("<HI", 4, len(subtitle)) + subtitle
    header = b"txts" + bytes(16) + struct.pack("<IIIII", 1, 25, 0, 5, len(packet)) + bytes(16)
    stream = _list(b"strl", _chunk(b"strh", header) + _chunk(b"strf", bytes(4)))
    hdrl = video.index(b"LIST") + 8
    hdrl_size = struct.unpack_from("<I", video, hdrl - 4)[0]
    lists = bytearray(video[hdrl : hdrl + hdrl_size])
    struct.pack_into("<I", lists, 4 + 8 + 24, 2)  # streams, in the main header
    movi = video.index(b"movi")
    movi_size = struct.unpack_from("<I", video, movi - 4)[0]
    pictures = video[movi + 4 : movi + movi_size]
    body = b"AVI " + _list(b"hdrl", bytes(lists[4:]) + stream)
    return _chunk(b"RIFF", body + _list(b"movi", _chunk(b"01tx", packet) + pictures))


def avi_claiming(width: int, height: int, *, raw: bool = False) -> bytes:
    """An AVI whose headers claim another size; raw pictures have no other to contradict it."""
    data = bytearray(clip("avi", 5))
    main, form = data.index(b"avih") + 8, data.index(b"strf") + 8
    struct.pack_into("<II", data, main + 32, width, height)
    struct.pack_into("<II", data, form + 4, width, height)
    if raw:
        struct.pack_into("<HI", data, form + 14, 24, 0)
    return bytes(data)


def mkv_that_goes_on_in(name: str) -> bytes:
    """A Matroska file that names the next one (RFC 9559, section 5.1.2.6)."""
    data = clip("matroska", 5, options={"live": "1"})
    at = data.index(b"\x15\x49\xa9\x66") + 4
    length = 9 - data[at].bit_length()
    size = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    linked = b"\x3e\x83\xbb" + bytes([0x80 | len(name)]) + name.encode()
    start = at + length
    info = data[start : start + size] + linked
    return data[:at] + (len(info) | 1 << 56).to_bytes(8, "big") + info + data[start + size :]


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _list(kind: bytes, content: bytes) -> bytes:
    return _chunk(b"LIST", kind + content)
