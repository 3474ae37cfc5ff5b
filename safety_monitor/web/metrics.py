"""Figures of the station in the text format of Prometheus."""

from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from safety_monitor.journal.file import JournalError
from safety_monitor.live import trouble_of
from safety_monitor.supervision.selfwatch import figures
from safety_monitor.web.site import Site


class _Figures(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """All figures, as they are now."""
        view, now = self._site.view.snapshot(), self._site.view.clock()
        prefix = "safety_monitor"
        yield GaugeMetricFamily(f"{prefix}_armed", "1 if incidents are confirmed", float(view.armed))
        yield GaugeMetricFamily(f"{prefix}_healthy", "1 if nothing is wrong", float(not self._site.troubles()))
        well = GaugeMetricFamily(f"{prefix}_sense_healthy", "1 if the sense works", labels=["sense"])
        age = GaugeMetricFamily(
            f"{prefix}_sense_quiet_seconds", "Since the sense last said something", labels=["sense"]
        )
        for sense, health in view.health.items():
            well.add_metric([sense], float(not trouble_of(sense, health, now - health.last)))
            if health.name:
                age.add_metric([sense], now - health.last)
        yield well
        yield age
        yield from self._self_watch(prefix)
        if view.sound is not None:
            level = view.sound.level_dbfs
            yield GaugeMetricFamily(f"{prefix}_sound_level_dbfs", "Level of the microphone", level)
        latest = GaugeMetricFamily(f"{prefix}_probability", "Newest probability", labels=["label"])
        for label, row in view.minute.items():
            if (newest := next((each for each in reversed(row) if each is not None), None)) is not None:
                latest.add_metric([label], newest)
        yield latest
        incidents = GaugeMetricFamily(f"{prefix}_incidents", "Incidents in the journal", labels=["state"])
        with suppress(JournalError):  # then the station is not healthy, which stands above
            for state, count in self._site.in_time(self._site.journal.count_by_state).items():
                incidents.add_metric([state], count)
        yield incidents

    def _self_watch(self, prefix: str) -> Iterator[Metric]:
        """How the station itself does."""
        station = self._site.station
        lag = GaugeMetricFamily(
            f"{prefix}_lag_seconds", "Worst age of a decision in the last seconds", labels=["sense"]
        )
        for sense, lag_s in station.workload.lags().items():
            lag.add_metric([sense], lag_s)
        yield lag
        yield GaugeMetricFamily(f"{prefix}_effort_level", "0: everything is judged", float(station.workload.load.level))
        trouble = GaugeMetricFamily(f"{prefix}_trouble_seconds", "How long it is wrong", labels=["part", "phase"])
        for each in self._site.view.board():
            trouble.add_metric([each.about, each.phase], each.for_s)
        yield trouble
        beat = GaugeMetricFamily(f"{prefix}_heartbeat_seconds", "Since a worker was last heard of", labels=["worker"])
        for name, age_s in station.hearts.ages().items():
            beat.add_metric([name], age_s)
        yield beat
        taken = figures()
        if taken.memory is not None:
            yield GaugeMetricFamily(f"{prefix}_memory_bytes", "Resident memory", float(taken.memory))
        if taken.files is not None:
            yield GaugeMetricFamily(f"{prefix}_open_files", "Files and sockets that are open", float(taken.files))
        yield GaugeMetricFamily(f"{prefix}_threads", "Threads of Python", float(taken.threads))


def metrics_text(site: Site) -> tuple[bytes, str]:
    """The figures, and the content type of that text."""
    registry = CollectorRegistry()
    registry.register(_Figures(site))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4
