// The audio graph of a trial. It takes any BaseAudioContext, so that a test can render what listeners hear.
//
//   source k -> gain k -\
//   source j -> gain j --> loop fade -> master -> destination
//
// All sources are started at one time and run on together; only gains tell which is heard. A switch fades the one out
// over 5 ms, and then the other in over 5 ms: the two are never heard at once, and there is no step in the signal.

export const FADE = 0.005;

// Raised cosine, one value a sample, so that interpolation between values adds no corners.
function curve(sampleRate, rising) {
  const length = Math.round(FADE * sampleRate) + 1;
  return Float32Array.from({ length }, (_, n) => {
    const value = 0.5 * (1 - Math.cos((Math.PI * n) / (length - 1)));
    return rising ? value : 1 - value;
  });
}

function fade(param, rising, time, sampleRate) {
  param.setValueCurveAtTime(curve(sampleRate, rising), time, FADE);
}

function onSample(seconds, sampleRate) {
  return Math.round(seconds * sampleRate) / sampleRate;
}

// A signal's length of gains: at the ends of the loop it goes down to nothing and up again.
function loopEnvelope(context, buffer, region) {
  const rate = buffer.sampleRate;
  const envelope = context.createBuffer(1, buffer.length, rate);
  const gains = envelope.getChannelData(0).fill(1);
  const start = Math.round(region.start * rate);
  const end = Math.min(buffer.length, Math.round(region.end * rate));
  const [rise, fall] = [curve(rate, true), curve(rate, false)];
  gains.set(rise, start);
  gains.set(fall.subarray(0, Math.min(fall.length, end)), end - fall.length);
  return envelope;
}

export class Graph {
  // buffers: AudioBuffers of one length; region: {start, end} in seconds, or null to play to the end once.
  constructor(context, buffers, { active = 0, time = 0, offset = 0, region = null, destination = null } = {}) {
    this.context = context;
    this.rate = context.sampleRate;
    this.active = active;
    this.free = time + FADE; // no two fades of one gain may overlap
    this.master = context.createGain();
    this.master.gain.setValueAtTime(0, 0);
    fade(this.master.gain, true, time, this.rate);
    this.master.connect(destination || context.destination);
    const loop = context.createGain();
    loop.connect(this.master);
    this.gains = buffers.map((_, k) => {
      const gain = context.createGain();
      gain.gain.setValueAtTime(k === active ? 1 : 0, 0);
      gain.connect(loop);
      return gain;
    });
    this.sources = buffers.map((buffer, k) => this.#source(buffer, region, this.gains[k]));
    if (region) {
      loop.gain.setValueAtTime(0, 0); // the envelope is added to it
      this.sources.push(this.#source(loopEnvelope(context, buffers[0], region), region, loop.gain));
    }
    for (const source of this.sources) source.start(time, onSample(offset, this.rate));
  }

  #source(buffer, region, target) {
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    if (region) {
      source.loop = true;
      source.loopStart = onSample(region.start, this.rate);
      source.loopEnd = onSample(region.end, this.rate);
    }
    source.connect(target);
    return source;
  }

  // Lets another signal be heard from `time` on, or as soon as the fade before has ended.
  switchTo(next, time) {
    if (next === this.active) return;
    const at = onSample(Math.max(time, this.free), this.rate);
    fade(this.gains[this.active].gain, false, at, this.rate);
    fade(this.gains[next].gain, true, at + FADE, this.rate);
    this.active = next;
    this.free = at + 2 * FADE + 1 / this.rate;
  }

  stop(time) {
    const at = Math.max(time, this.free);
    fade(this.master.gain, false, at, this.rate);
    for (const source of this.sources) source.stop(at + FADE);
    return at + FADE;
  }
}
