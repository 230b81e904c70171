"""What is heard at a switch, at the loop's ends and at start and stop: rendered in Chromium by the player's own graph.

The rendering runs `graph.js` in an OfflineAudioContext, which is the same code on the same engine as live, without a
sound card and with every sample at hand.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from .conftest import Running, write_pack

RATE = 48000
FADE = 0.005

RENDER = """async ({seconds, tones, options, switches, stop}) => {
  const { Graph } = await import(location.origin + "/static/graph.js");
  const rate = 48000, context = new OfflineAudioContext(1, seconds * rate, rate);
  const buffers = tones.map(([frequency, phase, length]) => {
    const buffer = context.createBuffer(1, length * rate, rate);
    const samples = buffer.getChannelData(0);
    for (let n = 0; n < samples.length; n++) samples[n] = 0.5 * Math.sin(2 * Math.PI * frequency * n / rate + phase);
    return buffer;
  });
  const graph = new Graph(context, buffers, options);
  for (const [next, time] of switches) graph.switchTo(next, time);
  if (stop) graph.stop(stop);
  return Array.from((await context.startRendering()).getChannelData(0));
}"""


@pytest.fixture(scope="module")
def render(chromium, tmp_path_factory):
    server = Running(write_pack(tmp_path_factory.mktemp("switch") / "small", ["single"])).start()
    page = chromium.new_page()
    page.goto(server.links["experimenter"])  # any page of the server: modules load from their own origin alone

    def run(tones, *, seconds=0.4, switches=(), stop=None, **options):
        given = {"seconds": seconds, "tones": tones, "options": options, "switches": list(switches), "stop": stop}
        return np.array(page.evaluate(RENDER, given))

    yield run
    page.close()
    server.stop()


def _click(sound: np.ndarray, level: float = 0.5) -> float:
    """The loudest of what is above 5 kHz, where the tones have nothing, in dB of their level."""
    high = signal.sosfilt(signal.butter(8, 5000, "highpass", fs=RATE, output="sos"), sound)
    return float(20 * np.log10(np.abs(high).max() / level + 1e-12))


def _tone(frequency: float, phase: float, count: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(count) / RATE + phase)


def _ramp(rising: bool) -> np.ndarray:
    n = np.arange(round(FADE * RATE) + 1) / round(FADE * RATE)
    up = 0.5 * (1 - np.cos(np.pi * n))
    return up if rising else 1 - up


def test_the_measure_of_clicks_hears_a_hard_switch() -> None:
    hard = np.concatenate([_tone(440, 0, 9600), _tone(440, 2.0, 9600)])
    assert _click(hard) > -30


def test_a_switch_has_no_click_and_the_gap_as_designed(render) -> None:
    tones = [[440, 0.0, 1], [660, 2.0, 1]]
    at = 0.2
    sound = render(tones, time=0.05, switches=[[1, at]])
    start, place, fade = round(0.05 * RATE), round(at * RATE), round(FADE * RATE)
    first, second = (np.concatenate([np.zeros(start), _tone(f, p, len(sound) - start)]) for f, p, _ in tones)
    gains = np.zeros((2, len(sound)))
    gains[0, start:place] = 1
    gains[0, start : start + fade + 1] = _ramp(True)
    gains[0, place : place + fade + 1] = _ramp(False)
    gains[1, place + fade :] = 1
    gains[1, place + fade : place + 2 * fade + 1] = _ramp(True)
    error = np.abs(sound - gains[0] * first - gains[1] * second).max()
    print(f"click {_click(sound):.1f} dB, largest difference from the design {20 * np.log10(error / 0.5):.1f} dB")
    assert _click(sound) < -60
    assert error < 1e-3 * 0.5
    assert np.abs(sound[place + fade]) < 1e-3  # silent between the two, which are never heard at once


def test_signals_run_on_in_step_while_others_are_heard(render) -> None:
    sound = render([[440, 0.0, 1], [440, 0.0, 1]], time=0.05, switches=[[1, 0.15], [0, 0.25]])
    expected = _tone(440, 0.0, len(sound) - 2400)
    for begin in (0.07, 0.17, 0.27):  # well after each switch: the same phase as if nothing had been switched
        piece = slice(round(begin * RATE), round(begin * RATE) + 2400)
        assert np.abs(sound[piece] - expected[piece.start - 2400 : piece.stop - 2400]).max() < 1e-4


def test_hurried_switches_wait_for_one_another(render) -> None:
    tones = [[330, 0.0, 1], [440, 1.0, 1], [550, 2.0, 1]]
    sound = render(tones, time=0.05, switches=[[1, 0.2], [2, 0.201], [0, 0.202], [1, 0.2021]])
    assert _click(sound) < -60
    tail = sound[-4800:]
    assert np.abs(tail).max() == pytest.approx(0.5, abs=1e-3)  # one signal alone
    spectrum = np.abs(np.fft.rfft(tail * np.hanning(4800)))
    assert np.argmax(spectrum) * 10 == 440


def test_the_loop_fades_at_its_ends_and_comes_round_on_the_sample(render) -> None:
    region = {"start": 0.1, "end": 0.6}
    sound = render([[443, 0.3, 1]], seconds=1.7, time=0.05, offset=0.1, region=region)
    assert _click(sound) < -60
    period, start = round(0.5 * RATE), round(0.05 * RATE)
    second, third = sound[start + period : start + 2 * period], sound[start + 2 * period : start + 3 * period]
    assert np.abs(second - third).max() < 1e-6
    assert np.abs(second[[0, -1]]).max() < 1e-3
    assert np.abs(second - _tone(443, 0.3, RATE)[4800:28800])[300:-300].max() < 1e-4


def test_start_and_stop_have_no_click(render) -> None:
    sound = render([[440, 1.5, 1]], time=0.05, offset=0.2, stop=0.3)
    assert _click(sound) < -60
    assert np.abs(sound[round(0.306 * RATE) :]).max() == 0
    assert np.abs(sound[round(0.1 * RATE) : round(0.3 * RATE)]).max() == pytest.approx(0.5, abs=1e-3)
