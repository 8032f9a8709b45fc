"""What a running gateway counts of itself, for Prometheus. No measured value and nobody's name is among it.

Counters rise where something happens; what stands somewhere (state, faults, logs, room on the disk) is looked up when
it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.daily import Received
from gateway.lmn.receivers import line_of
from gateway.lmn.sml_transport import Skipped
from gateway.metering.rules import Verdict
from lifecycle.faults import FAULTS
from lifecycle.states import State

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
disable_created_metrics()  # type: ignore[no-untyped-call]  # when each counter began: as many lines again, and of no use


@dataclass(frozen=True, slots=True)
class Standing:
    """How a gateway stands.

    :ivar state: its state, ``None`` where it cannot be read.
    :ivar faults: names of open faults.
    :ivar logs: by log, the share that is taken, 0 to 1; of the consumers' logs the fullest.
    :ivar disk_free: bytes free on the disk of its folder.
    :ivar disk_size: bytes of that disk.
    :ivar interfaces: by name, whether it listens.
    :ivar lines: by line, whether its receiver works.
    """

    state: State | None
    faults: frozenset[str]
    logs: Mapping[str, float]
    disk_free: int
    disk_size: int
    interfaces: Mapping[str, bool]
    lines: Mapping[str, bool]


class Metrics:
    """The counters of one running gateway, and what it looks up. Called from several threads."""

    def __init__(self, standing: Callable[[], Standing], lines: Iterable[str]) -> None:
        """:param standing: how it stands now.
        :param lines: its lines; what never happened on them is counted as 0.
        """
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(standing))
        of_line = ("line",)
        self._bytes = self._counter("smgw_lmn_bytes", "Bytes received from meters.", of_line)
        self._frames = self._counter("smgw_lmn_frames", "Frames and telegrams with readings.", of_line)
        self._errors = self._counter("smgw_lmn_errors", "Frames and telegrams without, and damaged ranges.", of_line)
        self._refused = self._counter("smgw_lmn_refused_bytes", "Bytes dropped because the gate was shut.", of_line)
        self._failures = self._counter("smgw_lmn_failures", "Chunks whose readings could not be kept.", of_line)
        self._readings = self._counter("smgw_readings", "Readings of contracts, by what became of them.", ("became",))
        self._shut_out = self._counter("smgw_metering_refused", "Times a consumer's readings were refused.", ())
        self._gaps = self._counter("smgw_gaps", "Gaps on the original reading lists.", ())
        self._reloads = self._counter("smgw_reloads", "Configurations read anew.", ("outcome",))
        self._taking = self._histogram("smgw_receive_seconds", "Time to take a chunk of bytes.")
        self._keeping = self._histogram("smgw_keep_up_seconds", "Time to close gaps and delete what is expired.")
        self._requests = self._counter("smgw_han_requests", "Requests at the consumer's interface.", ("status",))
        self._answering = self._histogram("smgw_han_seconds", "Time to answer them.")
        for line in lines:
            for each in (self._bytes, self._frames, self._errors, self._refused, self._failures):
                each.labels(line)
        for verdict in Verdict:
            self._readings.labels(str(verdict))
        for outcome in ("done", "refused"):
            self._reloads.labels(outcome)

    def received(self, name: str, size: int, received: Received, seconds: float) -> None:
        """Bytes were taken."""
        line = line_of(name)
        self._bytes.labels(line).inc(size)
        for event in received.events:
            bad = isinstance(event, Skipped) or event.error is not None
            (self._errors if bad else self._frames).labels(line).inc()
        for taken in received.taken:
            self._readings.labels(str(taken.verdict)).inc()
        self._shut_out.inc(len(received.refused))
        self._taking.observe(seconds)

    def refused(self, name: str, size: int) -> None:
        """Bytes were dropped, for the gate was shut."""
        self._refused.labels(line_of(name)).inc(size)

    def failed(self, name: str) -> None:
        """Bytes were taken in vain."""
        self._failures.labels(line_of(name)).inc()

    def kept_up(self, gaps: int, seconds: float) -> None:
        """The lists were kept up."""
        self._gaps.inc(gaps)
        self._keeping.observe(seconds)

    def reloaded(self, *, done: bool) -> None:
        """The configuration was read anew."""
        self._reloads.labels("done" if done else "refused").inc()

    def answered(self, status: int, seconds: float) -> None:
        """A consumer's request was answered."""
        self._requests.labels(f"{status // 100}xx").inc()
        self._answering.observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def _counter(self, name: str, words: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, words, labels, registry=self._registry)

    def _histogram(self, name: str, words: str) -> Histogram:
        return Histogram(name, words, registry=self._registry, buckets=_SECONDS)


class _Standing(Collector):
    """Looks up how the gateway stands when it is asked."""

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        now = self._standing()
        yield _gauge("smgw_state", "The state of the gateway: 1.", "state", {s: s is now.state for s in State})
        yield _gauge("smgw_fault_open", "Open faults: 1.", "fault", {name: name in now.faults for name in FAULTS})
        yield _gauge("smgw_log_filled_ratio", "Share of a log that is taken, the fullest of its kind.", "log", now.logs)
        yield _gauge("smgw_interface_listening", "Interfaces that listen: 1.", "interface", now.interfaces)
        yield _gauge("smgw_line_up", "Lines whose receiver works: 1.", "line", now.lines)
        yield GaugeMetricFamily("smgw_disk_free_bytes", "Room on the disk.", value=now.disk_free)
        yield GaugeMetricFamily("smgw_disk_size_bytes", "Size of the disk.", value=now.disk_size)

    def describe(self) -> list[Metric]:
        """Nothing is looked up to register it."""
        return []


def _gauge(name: str, words: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    found = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        found.add_metric([str(key)], float(value))
    return found
