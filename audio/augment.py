"""Sound made of sound: rooms, microphones, mixtures; and of nothing: screams and what resembles them."""

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE

Array = NDArray[np.float32]
Generator = np.random.Generator


def resample(samples: Array, ratio: float) -> Array:
    """Played `ratio` times as fast: pitch, formants and tempo move together."""
    places = np.arange(0, len(samples) - 1, ratio)
    return np.asarray(np.interp(places, np.arange(len(samples)), samples), np.float32)


def colour(samples: Array, rng: Generator) -> Array:
    """A room's echo and a microphone's colour."""
    length = len(samples)
    fft = 1 << (length + SAMPLE_RATE // 2 - 1).bit_length()
    spectrum = np.fft.rfft(samples, fft)
    if rng.random() < 0.4:  # an echo: noise that decays in 0.1 to 1.2 s, the direct sound 12 dB above to 6 dB below it
        decay = 10 ** rng.uniform(-1.0, 0.08)
        count = int(min(decay, 0.5) * SAMPLE_RATE)
        tail = rng.standard_normal(count) * np.exp(-6.9 / decay * np.arange(count) / SAMPLE_RATE)
        tail /= np.sqrt(np.sum(tail**2)) + 1e-9
        response = tail * 10 ** (-rng.uniform(-6, 12) / 20)
        response[0] += 1.0
        delay = int(rng.uniform(0, 0.02) * SAMPLE_RATE)
        response[1:delay] = 0
        spectrum = spectrum * np.fft.rfft(response, fft)
    hertz = np.arange(len(spectrum)) * SAMPLE_RATE / fft
    gain = np.zeros(len(spectrum))
    if rng.random() < 0.6:
        knots = np.geomspace(80, 8000, 6)
        gain += np.interp(np.log(hertz + 1), np.log(knots), rng.normal(0, 3, 6))
    if rng.random() < 0.35:  # a band limit as of telephones, old recordings and cheap microphones
        top = rng.choice([3400, 4000, 4000, 5500, 6500, 7200])
        gain -= np.clip((hertz - top * 0.95) / (top * 0.05), 0, 1) * rng.choice([30, 60, 80])
    if rng.random() < 0.3:
        gain -= np.clip((rng.uniform(80, 400) - hertz) / 60, 0, 1) * 25
    return np.fft.irfft(spectrum * 10 ** (gain / 20), fft)[:length].astype(np.float32)


def mix(front: Array, back: Array, snr_db: float) -> Array:
    """Two sounds of the same length, the first `snr_db` above the second by its loudest 50 ms."""
    return front + back * (_loudness(front) / (_loudness(back) + 1e-9) * 10 ** (-snr_db / 20))


def _loudness(samples: Array) -> np.float32:
    count = max(1, len(samples) // 800)
    pieces = samples[: count * 800].reshape(count, -1)
    return np.float32(np.sqrt(np.square(pieces).mean(axis=1).max()) + 1e-9)


def record(samples: Array, rng: Generator) -> Array:
    """As a microphone and a 16-bit file give it: peak from -50 to 0 dBFS, at times clipped, with their noise."""
    samples = samples / (np.abs(samples).max() + 1e-9)
    if rng.random() < 0.1:
        samples = np.clip(samples * 10 ** (rng.uniform(3, 15) / 20), -1, 1)
    peak = 10 ** (-rng.uniform(0, 50 if rng.random() < 0.3 else 20) / 20)
    noise = rng.standard_normal(len(samples)) * 10 ** (rng.uniform(-95, -60) / 20)
    return (np.round((samples + noise) * peak * 32767) / 32768).astype(np.float32)


def compress(samples: Array, rng: Generator) -> Array:
    """The holes a low-rate codec leaves: weak parts of short spectra are dropped, band by band."""
    size = 512
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    padded = np.concatenate([np.zeros(size // 2), samples, np.zeros(size)])
    count = (len(padded) - size) // (size // 2) + 1
    cut = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2][:count]
    spectrum = np.fft.rfft(cut * window)
    power = np.abs(spectrum)
    near = np.maximum.reduce([np.roll(power, shift, axis=1) for shift in (-8, -4, -2, -1, 0, 1, 2, 4, 8)])
    spectrum[power < near * 10 ** (-rng.uniform(12, 30) / 20)] = 0
    spectrum[power < power.max(axis=1, keepdims=True) * 10 ** (-rng.uniform(35, 60) / 20)] = 0
    pieces = np.fft.irfft(spectrum, size) * window
    result = np.zeros(len(padded) + size)
    for index, piece in enumerate(pieces):
        result[index * size // 2 : index * size // 2 + size] += piece
    return result[size // 2 : size // 2 + len(samples)].astype(np.float32)


# ---------------------------------------------------------------------------------------------- sounds out of nothing


def _curve(rng: Generator, count: int, values: list[float]) -> NDArray[np.float64]:
    """A smooth path through values at random moments."""
    inner = np.sort(rng.uniform(0.1, 0.9, len(values) - 2))
    return np.interp(np.linspace(0, 1, count), np.concatenate([[0], inner, [1]]), values)


def _wander(rng: Generator, count: int, hertz: float) -> NDArray[np.float64]:
    """Noise of unit deviation that moves at about so many times a second."""
    points = max(4, int(count / SAMPLE_RATE * hertz * 2) + 2)
    return np.interp(np.linspace(0, points - 1, count), np.arange(points), rng.standard_normal(points))


def _shape(samples: NDArray[np.float64], peaks: list[tuple[float, float, float]], tilt_db: float) -> Array:
    """Filter by resonances (hertz, bandwidth, gain in dB) and a tilt in dB per octave."""
    spectrum = np.fft.rfft(samples)
    hertz = np.arange(len(spectrum)) * SAMPLE_RATE / len(samples) + 1
    gain = np.full(len(spectrum), 0.05)
    for centre, width, level in peaks:
        gain += 10 ** (level / 20) / (1 + ((hertz - centre) / (width / 2)) ** 2)
    gain *= (hertz / 1000) ** (tilt_db / 6.02)
    return np.fft.irfft(spectrum * gain, len(samples)).astype(np.float32)


def _envelope(rng: Generator, count: int, attack: float, release: float) -> NDArray[np.float64]:
    rise, fall = int(attack * SAMPLE_RATE) + 1, int(release * SAMPLE_RATE) + 1
    steps = np.arange(count)
    level = np.minimum(1, steps / rise) * np.minimum(1, (count - steps) / fall)
    return level * np.exp(0.25 * _wander(rng, count, 3))


def synthetic_scream(rng: Generator, seconds: float) -> Array:
    """A scream out of a source-filter voice.

    A fundamental of 0.45 to 2 kHz that rises, holds and falls; jitter; subharmonics; roughness, which is fast amplitude
    modulation at 30 to 150 Hz; wide-open formants; breath.
    """
    count = int(seconds * SAMPLE_RATE)
    base = float(np.exp(rng.uniform(np.log(450), np.log(2000))))
    glide = _curve(
        rng, count, [base * rng.uniform(0.55, 1.0), base, base * rng.uniform(0.9, 1.15), base * rng.uniform(0.5, 1.0)]
    )
    jitter = 1 + 0.01 * rng.uniform(0.2, 2.5) * _wander(rng, count, rng.uniform(15, 60))
    vibrato = 1 + rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(4, 9) * np.arange(count) / SAMPLE_RATE)
    hertz = glide * jitter * vibrato
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    voice = np.zeros(count)
    slope = rng.uniform(0.3, 1.3)
    for harmonic in range(1, 18):
        fits = hertz * harmonic < 7800
        voice += fits * np.sin(harmonic * phase + rng.uniform(0, 6.3)) / harmonic**slope
    if rng.random() < 0.5:
        part = int(rng.choice([2, 3]))
        where = _wander(rng, count, 4) > rng.uniform(-0.5, 1)
        voice += (
            where * rng.uniform(0.2, 0.9) * sum(np.sin((k / part) * phase + k) for k in range(1, 5 * part) if k % part)
        )
    rough = rng.uniform(30, 150) * (1 + 0.1 * _wander(rng, count, 20))
    depth = rng.uniform(0, 0.9) * np.clip(0.6 + 0.5 * _wander(rng, count, 3), 0, 1)
    voice *= 1 - depth * 0.5 * (1 + np.sin(2 * np.pi * np.cumsum(rough) / SAMPLE_RATE))
    voice += rng.uniform(0.02, 0.8) * rng.standard_normal(count) * np.abs(1 + 0.3 * _wander(rng, count, 30))
    size = rng.uniform(0.85, 1.25)
    formants = [
        (rng.uniform(750, 1200) * size, rng.uniform(150, 400), 12.0),
        (rng.uniform(1300, 1900) * size, rng.uniform(150, 400), rng.uniform(6, 14)),
        (rng.uniform(2500, 3300) * size, rng.uniform(200, 600), rng.uniform(4, 14)),
        (rng.uniform(3500, 4500) * size, rng.uniform(300, 800), rng.uniform(-4, 8)),
    ]
    voice *= _envelope(rng, count, rng.uniform(0.01, 0.15), rng.uniform(0.03, 0.3))
    return _shape(voice, formants, rng.uniform(-5, 2))


def synthetic_ambient(rng: Generator, seconds: float) -> Array:
    """A cry, a tone or noise."""
    make = (synthetic_cry, synthetic_tone, synthetic_noise)[int(rng.choice(3, p=(0.4, 0.4, 0.2)))]
    return make(rng, seconds)


def synthetic_cry(rng: Generator, seconds: float) -> Array:
    """A baby's cry: bursts of 0.5 to 1.5 s, 300 to 650 Hz, up and down again, a breath between."""
    count = int(seconds * SAMPLE_RATE)
    result = np.zeros(count, np.float32)
    base = rng.uniform(300, 650)
    place = -int(rng.uniform(0, 0.5) * SAMPLE_RATE)
    tilt, brightness = rng.uniform(-6, 0), rng.uniform(0.5, 1.4)
    formants = [
        (rng.uniform(950, 1400), 300.0, 10.0),
        (rng.uniform(2800, 3600), 500.0, rng.uniform(4, 12)),
        (rng.uniform(4500, 5500), 800.0, 4.0),
    ]
    while place < count:
        length = int(rng.uniform(0.4, 1.4) * SAMPLE_RATE)
        peak = base * rng.uniform(0.95, 1.2)
        hertz = _curve(
            rng,
            length,
            [peak * rng.uniform(0.7, 0.95), peak, peak * rng.uniform(0.9, 1.0), peak * rng.uniform(0.6, 0.9)],
        )
        phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.006 * _wander(rng, length, 25))) / SAMPLE_RATE
        burst = np.zeros(length)
        for harmonic in range(1, 20):
            burst += (hertz * harmonic < 7800) * np.sin(harmonic * phase) / harmonic**brightness
        burst += rng.uniform(0.01, 0.4) * rng.standard_normal(length)
        burst *= _envelope(rng, length, rng.uniform(0.03, 0.15), rng.uniform(0.05, 0.25))
        shaped = _shape(burst, formants, tilt)
        start, end = max(place, 0), min(place + length, count)
        if end > start:
            result[start:end] += shaped[start - place : end - place]
        place += length + int(rng.uniform(0.1, 0.6) * SAMPLE_RATE)
    return result


def synthetic_tone(rng: Generator, seconds: float) -> Array:
    """What is high and pure and no voice: whistles, beepers, sirens, squeals, gulls."""
    count = int(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    kind = rng.integers(5)
    base = float(np.exp(rng.uniform(np.log(400), np.log(3800))))
    brightness, partials = rng.uniform(1.2, 3.0), 4
    level: NDArray[np.float64] = np.ones(count)
    if kind == 0:  # a whistle: nearly a sine, glides, perhaps a pea that rattles at 15 to 50 Hz
        hertz = _curve(rng, count, [base * rng.uniform(0.6, 1.4), base, base * rng.uniform(0.8, 1.3), base])
        if rng.random() < 0.5:
            level = np.asarray(1 - rng.uniform(0.3, 0.9) * (np.sin(2 * np.pi * rng.uniform(15, 50) * time) > 0))
    elif kind == 1:  # a beeper
        hertz = np.full(count, base)
        swing = np.sin(2 * np.pi * rng.uniform(0.5, 8) * time + rng.uniform(0, 6))
        level = np.where(swing > rng.uniform(-0.5, 0.5), 1.0, 0.0)
        partials, brightness = 8, rng.uniform(0.5, 2)
    elif kind == 2:  # a siren: wail, yelp or two tones
        base = rng.uniform(450, 1100)
        swing = np.sin(2 * np.pi * rng.choice([0.15, 0.3, 3, 5, 12]) * time + rng.uniform(0, 6)).astype(np.float64)
        swing = np.sign(swing) if rng.random() < 0.4 else swing
        hertz = np.asarray(base * np.exp(rng.uniform(0.15, 0.5) * swing), np.float64)
        partials, brightness = 12, rng.uniform(0.4, 1.5)
    elif kind == 3:  # squealing brakes and hinges: several unrelated partials
        hertz = base * (1 + 0.02 * _wander(rng, count, 6))
        partials, brightness = 3, 0.5
    else:  # a gull: short falling calls
        rate = rng.uniform(1.5, 4)
        part = (time * rate + rng.uniform(0, 1)) % 1
        base = rng.uniform(700, 1800)
        hertz = base * (1.25 - 0.6 * part)
        level = np.where(part < rng.uniform(0.4, 0.8), np.minimum(1, part * 20), 0.0)
        partials, brightness = 8, rng.uniform(0.3, 1.2)
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    sound = np.zeros(count)
    for harmonic in range(1, partials + 1):
        stretch = harmonic if kind != 3 else harmonic * rng.uniform(0.8, 1.3)
        sound += (hertz * stretch < 7800) * np.sin(stretch * phase) / harmonic**brightness
    sound += 10 ** (-rng.uniform(10, 45) / 20) * rng.standard_normal(count)
    return (sound * level).astype(np.float32)


def synthetic_noise(rng: Generator, seconds: float) -> Array:
    """What is no sound of anything: hiss, rumble, wind, mains hum, clicks."""
    count = int(seconds * SAMPLE_RATE)
    sound = _shape(rng.standard_normal(count), [(1000.0, 20_000.0, 0.0)], rng.uniform(-9, 3)).astype(np.float64)
    sound /= np.abs(sound).max() + 1e-9
    if rng.random() < 0.5:
        sound *= np.exp(rng.uniform(0.2, 1.2) * _wander(rng, count, rng.uniform(0.5, 8)))
    if rng.random() < 0.4:
        phase = 2 * np.pi * rng.choice([50, 60]) * np.arange(count) / SAMPLE_RATE
        sound += rng.uniform(0.1, 2) * sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in (1, 2, 3, 5, 7))
    if rng.random() < 0.3:
        clicks = rng.random(count) < rng.uniform(1, 30) / SAMPLE_RATE
        sound += (
            np.convolve(clicks * rng.standard_normal(count), np.exp(-np.arange(200) / rng.uniform(3, 60)))[:count] * 3
        )
    return sound.astype(np.float32)
