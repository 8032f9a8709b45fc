"""SML: decoding captures of real meters, beside smllib and beside the bare checksum, in one run.

smllib reads the same bytes to the same values. Ours does more on the way: it checks every message's checksum, accounts
for skipped bytes and keeps the wire form for encoding. smllib (GPL-3) is a yardstick here, nothing of it is used
elsewhere. CRC-16/X-25 over each frame is the least that anybody has to do who would believe one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from smllib.errors import CrcError
from smllib.reader import SmlStreamReader

from gateway.lmn import crc16
from gateway.lmn.sml import SmlFrame, decode_stream
from tests.shared_data import shared_data, sml_captures

TURNS = 25
MOST_CHECKSUMS = 150.0
"""As many checksums of a frame may be computed in the time that it takes to decode it."""


def decode_ours(captures: list[bytes]) -> int:
    """Decode all captures; return how many frames had readings."""
    return sum(event.ok for data in captures for event in decode_stream(data))


def decode_by_smllib(captures: list[bytes]) -> int:
    """The same by smllib, parsed fully."""
    frames = 0
    for data in captures:
        reader = SmlStreamReader()
        reader.add(data)
        while True:
            try:
                frame = reader.get_frame()
            except CrcError:
                continue
            if frame is None:
                break
            frame.parse_frame()
            frames += 1
    return frames


def seconds_for(decode: Callable[[list[bytes]], int], captures: list[bytes], frames: int) -> float:
    """How long one pass takes; it must find as many frames as the other reader."""
    begun = time.perf_counter()
    found = decode(captures)
    lasted = time.perf_counter() - begun
    assert found == frames
    return lasted


@pytest.mark.benchmark(group="sml")
def bench_decode_beside_smllib(benchmark: BenchmarkFixture) -> None:
    """Frames a second, as a ratio to smllib's on the same captures."""
    shared_data()
    captures = list(sml_captures().values())
    frames = benchmark(decode_ours, captures)
    # The ratio is taken here, in turns and under the same conditions: the fixture may switch garbage collection off.
    ours = peer = float("inf")
    for _ in range(TURNS):
        ours = min(ours, seconds_for(decode_ours, captures, frames))
        peer = min(peer, seconds_for(decode_by_smllib, captures, frames))
    benchmark.extra_info["ratio"] = peer / ours
    benchmark.extra_info["limit"] = "> 1"
    benchmark.extra_info["meets"] = peer > ours
    benchmark.extra_info["frames a second"] = round(frames / ours)
    benchmark.extra_info["smllib's"] = round(frames / peer)


def checksums_of(frames: list[bytes]) -> int:
    """CRC-16/X-25 over each frame's bytes; return how many."""
    return sum(crc16.x25(frame) is not None for frame in frames)


@pytest.mark.benchmark(group="sml")
def bench_decode_beside_the_checksum(benchmark: BenchmarkFixture) -> None:
    """Frames a second, as a ratio to the bare checksum of their bytes."""
    shared_data()
    frames = [
        data[event.offset : event.end]
        for data in sml_captures().values()
        for event in decode_stream(data)
        if isinstance(event, SmlFrame)
    ]
    assert benchmark(decode_ours, frames) == len(frames)
    ours = bare = float("inf")
    for _ in range(TURNS):
        ours = min(ours, seconds_for(decode_ours, frames, len(frames)))
        bare = min(bare, seconds_for(checksums_of, frames, len(frames)))
    benchmark.extra_info["ratio"] = ours / bare
    benchmark.extra_info["limit"] = f"<= {MOST_CHECKSUMS:g}"
    benchmark.extra_info["meets"] = ours / bare <= MOST_CHECKSUMS
    benchmark.extra_info["frames a second"] = round(len(frames) / ours)
    benchmark.extra_info["checksums a second"] = round(len(frames) / bare)
