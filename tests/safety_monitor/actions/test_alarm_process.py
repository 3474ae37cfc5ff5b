import numpy as np

from safety_monitor.actions.alarm_process import HIGHEST_HZ, LOWEST_HZ, RATE, siren


def test_the_siren_loops_without_a_click() -> None:
    loop = siren().astype(np.int64)
    steps = np.abs(np.diff(np.concatenate([loop, loop[:1]])))
    assert steps[-1] <= steps[:-1].max()


def test_the_siren_is_loud_and_sweeps_between_its_bounds() -> None:
    loop = siren()
    assert loop.dtype == np.int16
    assert 30_000 < np.abs(loop.astype(int)).max() <= 32_767
    spectrum = np.abs(np.fft.rfft(loop.astype(float))) ** 2
    frequency = np.fft.rfftfreq(loop.size, 1 / RATE)
    swept = (frequency > 0.9 * LOWEST_HZ) & (frequency < 1.1 * HIGHEST_HZ)
    assert spectrum[swept].sum() > 0.6 * spectrum.sum()
    assert spectrum[frequency < 0.7 * LOWEST_HZ].sum() < 0.02 * spectrum.sum()
