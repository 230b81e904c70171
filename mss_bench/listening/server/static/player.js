// Plays the signals of a trial: position, loop, what was heard for how long.

import { Graph } from "./graph.js";
import { text } from "./texts.js";

export const SHORTEST_LOOP = 0.5; // seconds

let shared = null;

// One context for the page; browsers start it at the first click or key.
export function audioContext(sampleRate) {
  if (!shared) {
    const Context = window.AudioContext || window.webkitAudioContext;
    try {
      shared = new Context({ sampleRate, latencyHint: "interactive" });
    } catch {
      shared = new Context();
    }
  }
  return shared;
}

const cache = new Map();

function fetchBytes(url) {
  if (!cache.has(url)) {
    const bytes = fetch(url, { credentials: "omit" }).then((answer) => {
      if (!answer.ok) throw new Error(`${answer.status}`);
      return answer.arrayBuffer();
    });
    bytes.catch(() => cache.delete(url));
    cache.set(url, bytes);
  }
  return cache.get(url);
}

export function prefetch(urls) {
  for (const url of urls) fetchBytes(url).catch(() => {});
}

export async function load(urls, sampleRate) {
  const context = audioContext(sampleRate);
  const found = await Promise.all(
    urls.map(async (url) => context.decodeAudioData((await fetchBytes(url)).slice(0))),
  );
  for (const url of urls) cache.delete(url);
  const lengths = new Set(found.map((buffer) => buffer.length));
  if (lengths.size > 1) throw new Error(text("player.unequal"));
  return found;
}

export class Player {
  // looping: play the region again and again; follow: what comes after the end of a signal that is not looped.
  constructor(buffers, { looping = true, levelDb = 0, onChange = () => {} } = {}) {
    this.context = audioContext();
    this.buffers = buffers;
    this.duration = buffers[0].duration;
    this.active = 0;
    this.looping = looping;
    this.region = { start: 0, end: this.duration };
    this.heard = new Array(buffers.length).fill(0);
    this.onChange = onChange;
    this.follow = new Map();
    this.graph = null;
    this.paused = 0; // position while stopped
    this.volume = this.context.createGain();
    this.volume.connect(this.context.destination);
    this.setLevel(levelDb);
  }

  get playing() {
    return this.graph !== null;
  }

  // Sound is scheduled in blocks; what is asked for sooner than two of them would start in the middle of a fade.
  get #soon() {
    return this.context.currentTime + Math.max(0.03, 2 * (this.context.baseLatency || 0));
  }

  get position() {
    if (!this.graph) return this.paused;
    const since = Math.max(0, this.context.currentTime - (this.context.outputLatency || 0) - this.startedAt);
    const plain = this.offset + since;
    if (!this.looping) return Math.min(plain, this.duration);
    const { start, end } = this.region;
    return start + ((plain - start) % (end - start));
  }

  setLevel(db) {
    this.volume.gain.setTargetAtTime(10 ** (db / 20), this.context.currentTime, 0.02);
  }

  async play(from = this.paused) {
    if (this.context.state !== "running") await this.context.resume();
    const free = this.#halt();
    const region = this.looping ? this.region : null;
    const inside = region ? from >= region.start && from < region.end - 0.01 : from < this.duration - 0.01;
    this.offset = inside ? from : region ? region.start : 0;
    this.startedAt = Math.max(this.#soon, free); // never beside what is fading out
    this.counted = this.startedAt;
    const graph = new Graph(this.context, this.buffers, {
      active: this.active, time: this.startedAt, offset: this.offset, region, destination: this.volume,
    });
    graph.sources[0].onended = () => {
      if (this.graph === graph) this.#ended();
    };
    this.graph = graph;
    this.onChange();
  }

  stop() {
    if (!this.graph) return;
    this.paused = this.position;
    this.#halt();
    this.onChange();
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  select(k) {
    if (k === this.active) return;
    this.count();
    this.active = k;
    if (this.graph) this.graph.switchTo(k, this.#soon);
    this.onChange();
  }

  // Chooses a signal and lets it be heard.
  async hear(k) {
    this.select(k);
    if (!this.playing) await this.play();
  }

  seek(seconds) {
    this.paused = Math.min(Math.max(0, seconds), this.duration);
    if (this.playing) this.play(this.paused);
    else this.onChange();
  }

  setLooping(looping) {
    const at = this.position;
    this.looping = looping;
    if (this.playing) this.play(at);
    else this.onChange();
  }

  // A region of at least SHORTEST_LOOP; `fixed` is the end that gives way last.
  setRegion(start, end, fixed = "start") {
    const at = this.position;
    const shortest = Math.min(SHORTEST_LOOP, this.duration);
    const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
    if (fixed === "start") {
      start = clamp(start, 0, this.duration - shortest);
      end = clamp(end, start + shortest, this.duration);
    } else {
      end = clamp(end, shortest, this.duration);
      start = clamp(start, 0, end - shortest);
    }
    this.region = { start, end };
    this.looping = true;
    if (this.playing) this.play(at);
    else {
      this.paused = at >= start && at < end ? at : start;
      this.onChange();
    }
  }

  // Adds the time since the last call to what was heard.
  count() {
    if (!this.graph) return;
    const now = this.context.currentTime;
    this.heard[this.active] += Math.max(0, now - this.counted);
    this.counted = Math.max(now, this.counted);
  }

  close() {
    this.#halt();
    this.volume.gain.cancelScheduledValues(0);
    setTimeout(() => this.volume.disconnect(), 100);
  }

  // Fades out; returns when there is silence.
  #halt() {
    if (!this.graph) return 0;
    this.count();
    const end = this.graph.stop(this.#soon);
    this.graph = null;
    return end;
  }

  #ended() {
    this.count();
    this.graph = null;
    this.paused = 0;
    const next = this.follow.get(this.active);
    if (next !== undefined) {
      this.active = next;
      this.play(0);
    }
    this.onChange();
  }
}
