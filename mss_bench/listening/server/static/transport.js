// Play, loop and the waveform, with their keys: what every page with sound shares.

import { announce, element } from "./dom.js";
import { number, seconds, text } from "./texts.js";
import { Waveform } from "./waveform.js";

export class Transport {
  // player: Player; names: how each of its signals is called; waveform: the signal that is drawn, or null.
  constructor(player, names, waveform) {
    this.player = player;
    this.names = names;
    this.playButton = element("button", { type: "button", class: "play", onclick: () => player.toggle() });
    this.loopButton = element("button", { type: "button", onclick: () => player.setLooping(!player.looping) }, text("player.loop"));
    this.wholeButton = element("button", { type: "button", onclick: () => this.whole() }, text("player.whole"));
    this.time = element("span", { class: "time", "aria-hidden": "true" });
    this.wave = waveform === null ? null : new Waveform(player.buffers[waveform], player);
    this.node = element("div", { class: "transport", role: "group", "aria-label": text("player.playback") },
      this.wave && this.wave.node,
      element("div", { class: "row" }, this.playButton, this.loopButton, this.wholeButton, this.time));
  }

  whole() {
    this.player.setRegion(0, this.player.duration);
  }

  update() {
    const { player } = this;
    this.playButton.textContent = text(player.playing ? "player.stop" : "player.play");
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
    const shown = `${number(at, 1)} / ${seconds(this.player.duration)}`;
    if (this.time.textContent !== shown) this.time.textContent = shown;
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
      i: () => player.setRegion(player.position, end, "start"),
      o: () => player.setRegion(start, player.position, "end"),
      u: () => this.whole(),
    };
    // Brackets are hard to type on many keyboards; who is used to them may use them.
    Object.assign(actions, { "[": actions.i, "]": actions.o, "\\": actions.u });
    const pressed = meanings(event).find((key) => key in actions);
    if (!pressed) return false;
    actions[pressed]();
    if ("iou[]\\".includes(pressed)) {
      announce(text("player.looped", { start: seconds(player.region.start), end: seconds(player.region.end) }));
    }
    return true;
  }

  close() {
    this.player.close();
    if (this.wave) this.wave.close();
  }
}

// What a key may mean: what it types, and the digit or letter of its place on keyboards that type others there.
export function meanings(event) {
  const typed = event.key.toLowerCase();
  const [, kind, name] = /^(Digit|Key)(.)$/.exec(event.code) || [];
  const other = kind === "Digit" || (kind === "Key" && !/^[\x20-\x7e]$/.test(typed));
  return other ? [typed, name.toLowerCase()] : [typed];
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
