// Play, loop and the waveform, with their keys: what every page with sound shares.

import { announce, element, seconds } from "./dom.js";
import { Waveform } from "./waveform.js";

export class Transport {
  // player: Player; names: how each of its signals is called; waveform: the signal that is drawn, or null.
  constructor(player, names, waveform) {
    this.player = player;
    this.names = names;
    this.playButton = element("button", { type: "button", class: "play", onclick: () => player.toggle() });
    this.loopButton = element("button", { type: "button", onclick: () => player.setLooping(!player.looping) }, "Loop");
    this.wholeButton = element("button", { type: "button", onclick: () => this.whole() }, "Whole");
    this.time = element("span", { class: "time", "aria-hidden": "true" });
    this.wave = waveform === null ? null : new Waveform(player.buffers[waveform], player);
    this.node = element("div", { class: "transport", role: "group", "aria-label": "Playback" },
      this.wave && this.wave.node,
      element("div", { class: "row" }, this.playButton, this.loopButton, this.wholeButton, this.time));
  }

  whole() {
    this.player.setRegion(0, this.player.duration);
  }

  update() {
    const { player } = this;
    this.playButton.textContent = player.playing ? "Stop" : "Play";
    this.playButton.classList.toggle("playing", player.playing);
    this.loopButton.setAttribute("aria-pressed", player.looping);
    const { start, end } = player.region;
    this.wholeButton.disabled = !player.looping || (start <= 0 && end >= player.duration);
    if (this.wave) this.wave.update();
  }

  tick() {
    const at = this.player.position;
    if (at === this.shown) return;
    this.shown = at;
    const text = `${at.toFixed(1)} / ${seconds(this.player.duration)}`;
    if (this.time.textContent !== text) this.time.textContent = text;
    if (this.wave) this.wave.tick();
  }

  // Whether the key was one of the transport's.
  key(event) {
    const { player } = this;
    const { start, end } = player.region;
    const actions = {
      " ": () => player.toggle(),
      p: () => player.toggle(),
      l: () => player.setLooping(!player.looping),
      "[": () => player.setRegion(player.position, end, "start"),
      "]": () => player.setRegion(start, player.position, "end"),
      "\\": () => this.whole(),
    };
    const action = actions[event.key.toLowerCase()];
    if (!action) return false;
    action();
    if (["[", "]", "\\"].includes(event.key)) {
      announce(`Loop from ${seconds(player.region.start)} to ${seconds(player.region.end)}`);
    }
    return true;
  }

  close() {
    this.player.close();
    if (this.wave) this.wave.close();
  }
}

// Space belongs to a control that is switched by it; elsewhere it plays and stops.
export function takesSpace(target) {
  return target.matches("input[type=radio], input[type=checkbox], textarea, input[type=text], select, summary, .next, a");
}

export function takesLetters(target) {
  return target.matches("textarea, input[type=text], select");
}

// Firefox clicks a focused button when the space bar comes up, though its going down was taken for play and stop.
export function keepSpace(event) {
  if (event.key === " " && !takesSpace(event.target)) event.preventDefault();
}
