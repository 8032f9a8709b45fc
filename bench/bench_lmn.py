"""The meters' network: whole telegrams and frames beside the one primitive each of them cannot do without, in one run.

Wireless M-Bus: from bytes on air to readings (link checksums, MAC, key derivation, counter, decryption, records, OBIS
codes) beside AES-CMAC over the same bytes. HDLC: frames found in a stream, both checksums, beside CRC-16/X-25 over the
same bytes. The ratios say what all the rest costs; they are held to bounds so that a slip shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.lmn import crc16
from gateway.lmn.hdlc import UI, HdlcAddress, HdlcReader, encode_frame
from gateway.lmn.mbus_obis import GasVolume
from gateway.lmn.sml_transport import Skipped
from gateway.lmn.wmbus import Agreement, WmbusDecoder
from gateway.lmn.wmbus_build import build_telegram
from gateway.lmn.wmbus_layers import Mode
from gateway.lmn.wmbus_link import FrameFormat, MbusAddress
from gateway.lmn.wmbus_security import MeterKey, aes_cmac
from tests.gateway.lmn.counters import Counters
from tests.gateway.lmn.hdlc_meter import sml_file

TURNS = 15
COUNT = 300
KEY = bytes(range(16))
METER = MbusAddress("KAM", "00000042", 0x19, 0x16)
APPLICATION = bytes.fromhex("0c1378563412046d32371f154c130001000002fd170000")
TELEGRAM_LIMIT = 60.0
FRAME_LIMIT = 12.0


def telegrams() -> list[bytes]:
    """Telegrams of mode 7 with rising counters."""
    return [
        build_telegram(METER, APPLICATION, mode=Mode.MODE_7, key=KEY, counter=number) for number in range(1, COUNT + 1)
    ]


def decode_telegrams(data: list[bytes]) -> int:
    """Decode all telegrams; return how many readings there were."""
    agreement = Agreement(Mode.MODE_7, MeterKey(KEY), GasVolume.UNSAID)
    decoder = WmbusDecoder(FrameFormat.A, lambda _: agreement, Counters())
    return sum(len(event.readings) for piece in data for event in decoder.feed(piece) if not isinstance(event, Skipped))


def cmac_of(data: list[bytes]) -> int:
    """AES-CMAC over each telegram's bytes; as many readings as the telegrams hold, so that both count the same."""
    return sum(2 * bool(aes_cmac(KEY, piece)) for piece in data)


def frames() -> list[bytes]:
    """Frames as a meter on the bus pushes them."""
    return [encode_frame(HdlcAddress(16), HdlcAddress(1, 17, 2), UI, sml_file(number)) for number in range(COUNT)]


def read_frames(data: list[bytes]) -> int:
    """Find all frames; return how many."""
    reader = HdlcReader()
    return sum(not isinstance(event, Skipped) for piece in data for event in reader.feed(piece))


def crc_of(data: list[bytes]) -> int:
    """CRC-16/X-25 over each frame's bytes."""
    return sum(crc16.x25(piece) is not None for piece in data)


def best(data: list[bytes], expected: int, *works: Callable[[list[bytes]], int]) -> list[float]:
    """Seconds of the fastest of several turns of each, taken by turns; each must find what is there."""
    fastest = [float("inf")] * len(works)
    for _ in range(TURNS):
        for place, work in enumerate(works):
            begun = time.perf_counter()
            found = work(data)
            fastest[place] = min(fastest[place], time.perf_counter() - begun)
            assert found == expected
    return fastest


@pytest.mark.benchmark(group="lmn")
def bench_telegrams_beside_cmac(benchmark: BenchmarkFixture) -> None:
    """Wireless M-Bus telegrams a second, as a ratio to AES-CMAC of their bytes."""
    data = telegrams()
    readings = benchmark(decode_telegrams, data)
    assert readings == 2 * COUNT
    ours, bare = best(data, readings, decode_telegrams, cmac_of)
    benchmark.extra_info["ratio"] = ours / bare
    benchmark.extra_info["limit"] = f"<= {TELEGRAM_LIMIT:g}"
    benchmark.extra_info["meets"] = ours / bare <= TELEGRAM_LIMIT
    benchmark.extra_info["telegrams a second"] = round(COUNT / ours)
    benchmark.extra_info["CMACs a second"] = round(COUNT / bare)


@pytest.mark.benchmark(group="lmn")
def bench_frames_beside_crc(benchmark: BenchmarkFixture) -> None:
    """HDLC frames a second, as a ratio to the bare CRC of their bytes."""
    data = frames()
    found = benchmark(read_frames, data)
    assert found == COUNT
    ours, bare = best(data, COUNT, read_frames, crc_of)
    benchmark.extra_info["ratio"] = ours / bare
    benchmark.extra_info["limit"] = f"<= {FRAME_LIMIT:g}"
    benchmark.extra_info["meets"] = ours / bare <= FRAME_LIMIT
    benchmark.extra_info["frames a second"] = round(COUNT / ours)
    benchmark.extra_info["CRCs a second"] = round(COUNT / bare)
