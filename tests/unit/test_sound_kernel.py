"""Loudness, ducking and limiting, against EBU's test signals and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly, sosfreqz

from kernels.sound import CEILING, Ducker, Limiter, Loudness, k_weighting

RATE = 48000


def tone(db: float, seconds: float, channels: int = 2, hertz: float = 1000, rate: int = RATE) -> np.ndarray:
    wave = 10 ** (db / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave, (channels, 1)).astype(np.float32)


def measured(samples: np.ndarray, rate: int = RATE, piece: int = 7001) -> float | None:
    meter = Loudness(rate, samples.shape[0])
    for at in range(0, samples.shape[1], piece):
        meter.feed(samples[:, at : at + piece])
    return meter.integrated()


def test_the_filters_are_those_of_the_standard() -> None:
    """BS.1770-4, tables 1 and 2: coefficients at 48 kHz."""
    shelf, high = k_weighting(48000)
    assert shelf[:3] == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-6)
    assert shelf[3:] == pytest.approx([1, -1.69065929318241, 0.73248077421585], abs=1e-6)
    assert high == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-6)
    response = [np.abs(sosfreqz(k_weighting(rate), [1000], fs=rate)[1][0]) for rate in (48000, 44100, 16000)]
    assert np.ptp(20 * np.log10(response)) < 0.05


@pytest.mark.parametrize("rate", [48000, 44100])
def test_ebu_tech_3341(rate: int) -> None:
    """Cases 1 to 5: stereo sines of 1 kHz; the gates leave the quiet parts out. Tolerance 0.1 LU."""
    cases = [
        ([(-23.0, 20)], -23.0),
        ([(-33.0, 20)], -33.0),
        ([(-36.0, 10), (-23.0, 60), (-36.0, 10)], -23.0),
        ([(-72.0, 10), (-36.0, 10), (-23.0, 60), (-36.0, 10), (-72.0, 10)], -23.0),
        ([(-26.0, 20), (-20.0, 20.1), (-26.0, 20)], -23.0),
    ]
    for parts, wanted in cases:
        signal = np.concatenate([tone(db, seconds, rate=rate) for db, seconds in parts], axis=1)
        assert measured(signal, rate) == pytest.approx(wanted, abs=0.1)


def test_silence_has_no_loudness() -> None:
    assert measured(np.zeros((1, RATE), np.float32)) is None
    assert measured(tone(-20, 0.2)) is None


def test_the_limiter_keeps_peaks_and_leaves_the_rest() -> None:
    quiet = tone(-12, 1.0)
    loud = quiet.copy()
    loud[:, 20000:20400] *= 6
    made = {}
    for piece in (333, 8192):
        limiter = Limiter(RATE, 2)
        parts = [limiter.feed(loud[:, at : at + piece]) for at in range(0, loud.shape[1], piece)]
        made[piece] = np.concatenate([*parts, limiter.feed(loud[:, :0], last=True)], axis=1)
        assert made[piece].shape == loud.shape
        assert np.abs(made[piece]).max() <= CEILING + 1e-6
        assert np.array_equal(made[piece][:, :19000], quiet[:, :19000])
        assert np.array_equal(made[piece][:, 21500:], quiet[:, 21500:])
    assert np.allclose(made[333], made[8192], atol=1e-6)


@pytest.mark.parametrize("hertz", [997, 5000, 12000, 18000])
def test_the_limiter_keeps_what_lies_between_samples(hertz: float) -> None:
    """True peaks, of the sound at 16 times its rate: at 12 kHz all samples may lie 3 dB under them."""
    for phase in (0.0, np.pi / 4, 1.2):
        wave = 1.6 * np.sin(2 * np.pi * hertz * np.arange(RATE // 2) / RATE + phase)
        loud = np.tile(wave, (2, 1)).astype(np.float32)
        limiter = Limiter(RATE, 2)
        parts = [limiter.feed(loud[:, at : at + 8192]) for at in range(0, loud.shape[1], 8192)]
        made = np.concatenate([*parts, limiter.feed(loud[:, :0], last=True)], axis=1)
        assert made.shape == loud.shape
        finer = resample_poly(made.astype(float), 16, 1, axis=1)[:, 16 * 2000 : -16 * 2000]
        assert 20 * np.log10(np.abs(finer).max()) == pytest.approx(-1.05, abs=0.1)


def test_music_goes_down_under_speech_and_comes_back() -> None:
    speech = np.concatenate([np.zeros((1, RATE)), tone(-20, 1.0, 1), np.zeros((1, 3 * RATE))], axis=1)
    ducker = Ducker(RATE, amount_db=12, threshold_db=-40, attack_ms=50, release_ms=400)
    whole = ducker.gain(speech.astype(np.float32))
    again = Ducker(RATE, amount_db=12, threshold_db=-40, attack_ms=50, release_ms=400)
    parts = [again.gain(speech[:, at : at + 5000].astype(np.float32)) for at in range(0, speech.shape[1], 5000)]
    assert np.allclose(whole, np.concatenate(parts))
    assert whole[: RATE - 10].min() == 1
    assert 20 * np.log10(whole[2 * RATE - 10]) == pytest.approx(-12, abs=0.01)
    assert 20 * np.log10(whole[-1]) == pytest.approx(0, abs=0.1)
