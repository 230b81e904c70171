// The waveform, the playhead, and the loop with its two handles.

import { element } from "./dom.js";
import { SHORTEST_LOOP } from "./player.js";
import { seconds, text } from "./texts.js";

const STEP = 0.1; // seconds that an arrow key moves a handle

function peaks(buffer, columns) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
  const found = new Float32Array(columns);
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * buffer.length) / columns);
    const to = Math.floor(((column + 1) * buffer.length) / columns);
    for (const samples of channels) {
      for (let n = from; n < to; n++) found[column] = Math.max(found[column], Math.abs(samples[n]));
    }
  }
  return found;
}

export class Waveform {
  constructor(buffer, player) {
    this.buffer = buffer;
    this.player = player;
    this.canvas = element("canvas", { class: "wave", role: "img", "aria-label": text("player.waveform") });
    this.shades = [element("div", { class: "shade" }), element("div", { class: "shade" })];
    this.head = element("div", { class: "playhead" });
    this.handles = ["start", "end"].map((which) => this.#handle(which));
    this.node = element("div", { class: "waveform", dir: "ltr" }, this.canvas, ...this.shades, this.head, ...this.handles);
    this.#drag();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.node);
  }

  #handle(which) {
    const node = element("div", {
      class: `handle ${which}`, role: "slider", tabindex: "0", "aria-label": text(`player.loop_${which}`), "aria-valuemin": "0",
      "aria-valuemax": this.player.duration.toFixed(1), "aria-orientation": "horizontal",
    });
    node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageUp: 10 * STEP, PageDown: -10 * STEP };
      const to = { Home: 0, End: this.player.duration }[event.key];
      if (!(event.key in by) && to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.move(which, to ?? this.player.region[which] + by[event.key]);
    });
    return node;
  }

  // One end of the loop to a time, no nearer to the other than the shortest loop.
  move(which, time) {
    const { start, end } = this.player.region;
    if (which === "start") this.player.setRegion(Math.min(time, end - SHORTEST_LOOP), end, "start");
    else this.player.setRegion(start, Math.max(time, start + SHORTEST_LOOP), "end");
  }

  #drag() {
    let from = null;
    let held = null;
    let end = null; // the handle that is dragged
    const time = (event) => {
      const box = this.node.getBoundingClientRect();
      return (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * this.player.duration;
    };
    this.node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = event.clientX;
      held = time(event);
      end = event.target.classList.contains("handle") ? (event.target.classList.contains("start") ? "start" : "end") : null;
      this.node.setPointerCapture(event.pointerId);
    });
    this.node.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(event.clientX - from) < 6) return;
      this.#preview(end, held, time(event));
    });
    const release = (event) => {
      if (from === null) return;
      const moved = Math.abs(event.clientX - from) >= 6;
      from = null;
      if (event.type === "pointercancel") return this.update();
      if (!moved) return end ? undefined : this.player.seek(held);
      if (end) return this.move(end, time(event));
      this.player.setRegion(Math.min(held, time(event)), Math.max(held, time(event)));
    };
    this.node.addEventListener("pointerup", release);
    this.node.addEventListener("pointercancel", release);
  }

  #preview(end, held, now) {
    const region = { ...this.player.region };
    if (end) region[end] = now;
    else Object.assign(region, { start: Math.min(held, now), end: Math.max(held, now) });
    this.#place(region, true);
  }

  #place({ start, end }, looping) {
    const percent = (t) => `${Math.min(Math.max((100 * t) / this.player.duration, 0), 100)}%`;
    this.shades[0].style.width = looping ? percent(start) : "0";
    this.shades[1].style.left = looping ? percent(end) : "100%";
    this.handles[0].style.left = percent(start);
    this.handles[1].style.left = percent(end);
  }

  update() {
    const { region, looping } = this.player;
    this.#place(region, looping);
    for (const [k, value] of [region.start, region.end].entries()) {
      this.handles[k].hidden = !looping;
      this.handles[k].setAttribute("aria-valuenow", value.toFixed(1));
      this.handles[k].setAttribute("aria-valuetext", seconds(value));
    }
  }

  tick() {
    this.head.style.left = `${(100 * this.player.position) / this.player.duration}%`;
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.node.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.node.clientHeight * ratio));
    Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d");
    pen.fillStyle = getComputedStyle(this.node).getPropertyValue("--wave");
    const found = peaks(this.buffer, width);
    const top = Math.max(...found, 1e-6);
    for (let x = 0; x < width; x++) {
      const tall = Math.max(1, (found[x] / top) * height * 0.92);
      pen.fillRect(x, (height - tall) / 2, 1, tall);
    }
  }

  close() {
    this.observer.disconnect();
  }
}
