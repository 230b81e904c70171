// The page of a trial: signals to switch between, and what is answered about them.

import { announce, choices, element, show } from "./dom.js";
import { Player, load, prefetch } from "./player.js";
import { Transport, keepSpace, takesLetters, takesSpace } from "./transport.js";

const PAIRS = ["preference", "abx"];
const CHOICES = [...PAIRS, "votes"]; // one signal is chosen, none is graded
const MORE_KEYS = ["q", "w", "e"]; // for the tenth signal and those after it

function places(trial) {
  const found = Array.from({ length: trial.signals }, (_, k) => String(k));
  return [...found, ...(trial.reference ? ["reference"] : []), ...(trial.mixture ? ["mixture"] : [])];
}

export function urls(trial) {
  return places(trial).map((place) => `audio/${trial.step}/${place}`);
}

function names(trial) {
  const own = {
    preference: ["A", "B"], abx: ["A", "B", "X"], single: ["Sound"], degradation: ["Second"],
  }[trial.kind] || Array.from({ length: trial.signals }, (_, k) => String(k + 1));
  const reference = trial.kind === "degradation" ? "First" : "Reference";
  return [...own, ...(trial.reference ? [reference] : []), ...(trial.mixture ? ["Mixture"] : [])];
}

// Which keys let a signal be heard; the first is told.
function keysOf(trial) {
  return places(trial).map((place, k) => {
    if (trial.kind === "degradation") return place === "reference" ? ["1", "r"] : ["2"];
    if (place === "reference") return ["0", "r"];
    if (place === "mixture") return ["m"];
    const digit = k < 9 ? String(k + 1) : MORE_KEYS[k - 9];
    return PAIRS.includes(trial.kind) ? ["abx"[k], digit] : [digit];
  });
}

function blank(trial) {
  const count = trial.signals;
  return { scores: new Array(count).fill(trial.low), moved: new Array(count).fill(false), choice: undefined };
}

export class TrialPage {
  // state: of the server; draft: {answer, heard, ms} kept from before, or null; keep(draft): stores one;
  // submit(answer): sends one. On the training page nothing is sent.
  constructor(state, { draft, keep, submit }) {
    Object.assign(this, { state, keep, submit, trial: state.trial, training: state.stage === "training" });
    const given = draft || {};
    this.answer = given.answer || blank(this.trial);
    this.kept = { heard: given.heard || [], ms: given.ms || 0 };
    this.onkey = (event) => this.key(event);
    this.onhide = () => {
      this.player.count();
      this.draft();
    };
  }

  async open() {
    const { trial } = this;
    show(element("h1", {}, this.heading()), element("p", { class: "wait" }, "Loading the sounds …"));
    let buffers;
    try {
      buffers = await load(urls(trial), this.state.sample_rate);
    } catch (error) {
      const again = element("button", { type: "button", class: "next", onclick: () => this.open() }, "Try again");
      show(element("h1", {}, this.heading()), element("p", { role: "alert" }, `The sounds could not be loaded (${error.message}).`), again);
      return;
    }
    const looping = !["single", "degradation"].includes(trial.kind);
    this.player = new Player(buffers, {
      looping, levelDb: this.state.level_db, onChange: () => this.update(),
    });
    const reference = trial.reference ? trial.signals : -1;
    this.player.active = Math.max(reference, 0);
    if (trial.kind === "degradation" && reference > 0) this.player.follow.set(reference, 0);
    this.kept.heard.forEach((value, k) => (this.player.heard[k] = value));
    this.names = names(trial);
    this.keys = keysOf(trial);
    // Of signals that are compared by ear alone none is drawn: the eye would tell what the ear is asked.
    const drawn = CHOICES.includes(trial.kind) || !this.state.waveform ? null : Math.max(reference, 0);
    this.transport = new Transport(this.player, this.names, drawn);
    this.opened = performance.now();
    this.build();
    document.addEventListener("keydown", this.onkey);
    document.addEventListener("keyup", keepSpace);
    window.addEventListener("pagehide", this.onhide); // what was heard up to a reload counts
    this.frame = requestAnimationFrame(() => this.tick());
    this.update();
    if (this.state.next) prefetch(urls(this.state.next));
  }

  close() {
    document.removeEventListener("keydown", this.onkey);
    document.removeEventListener("keyup", keepSpace);
    window.removeEventListener("pagehide", this.onhide);
    cancelAnimationFrame(this.frame);
    if (this.transport) this.transport.close();
  }

  heading() {
    return this.training ? "Training" : `Trial ${this.state.step + 1} of ${this.state.steps}`;
  }

  get ms() {
    return this.kept.ms + performance.now() - this.opened;
  }

  build() {
    const { trial, training } = this;
    this.buttons = this.names.map((name, k) => {
      const beside = k >= trial.signals;
      const label = /^\d+$/.test(name) ? `Sound ${name}` : name;
      const key = this.keys[k][0];
      const node = element("button", { type: "button", class: beside ? "signal beside" : "signal", "aria-label": label, "aria-keyshortcuts": key },
        element("span", {}, name), name.toLowerCase() === key ? null : element("kbd", { "aria-hidden": "true" }, key.toUpperCase()));
      node.addEventListener("click", () => this.player.hear(k));
      return node;
    });
    this.next = element("button", { type: "button", class: "next", onclick: () => this.finish() }, training ? "Begin the test" : "Next");
    this.missing = element("p", { class: "missing", id: "missing", "aria-live": "polite" });
    const bar = training ? null : element("progress", { max: this.state.steps, value: this.state.step, "aria-label": "Progress" });
    show(
      element("header", { class: "head" }, element("h1", {}, this.heading()), bar),
      training && element("p", { class: "note" }, "To get to know the sounds and the controls. These grades are not kept."),
      trial.changed && element("p", { class: "changed", role: "status" }, "The question is another one from here on."),
      element("p", { class: "question", id: "question" }, trial.question),
      this.transport.node,
      ...(trial.kind === "multi" ? this.sliders() : this.grades()),
      element("footer", { class: "foot" }, this.missing, this.next),
      this.help(),
    );
  }

  beside() {
    const nodes = this.buttons.slice(this.trial.signals);
    if (!nodes.length) return null;
    const own = this.trial.mixture ? element("small", {}, "The mixture is not graded; it plays at its own level.") : null;
    return element("div", { class: "row besides", role: "group", "aria-label": "To compare with" }, ...nodes, own);
  }

  sliders() {
    const { trial } = this;
    this.inputs = [];
    this.outputs = [];
    const edge = (n) => String(Math.round(trial.low + ((trial.high - trial.low) * n) / trial.labels.length));
    const bands = element("div", { class: "bands", "aria-hidden": "true" },
      ...[...trial.labels.keys()].reverse().map((n) => element("span", { "data-high": edge(n + 1), "data-low": edge(n) }, trial.labels[n])));
    // Narrow screens have no room beside the sliders.
    const scale = element("p", { class: "scale", "aria-hidden": "true" },
      trial.labels.map((label, n) => `${edge(n)}–${edge(n + 1)} ${label}`).join(" · "));
    const columns = Array.from({ length: trial.signals }, (_, k) => {
      const input = element("input", {
        type: "range", min: trial.low, max: trial.high, step: (trial.high - trial.low) / 100, value: this.answer.scores[k],
        "aria-label": `Grade of sound ${this.names[k]}`, autocomplete: "off",
      });
      const touch = () => this.grade(k, Number(input.value));
      input.addEventListener("input", touch);
      input.addEventListener("pointerup", touch);
      input.addEventListener("keydown", (event) => {
        // The lowest grade, too, can be given: a key that moves nothing is an answer. It counts at once and not after
        // a timer, which on a busy machine runs later than the Enter key on "Next" that follows.
        if (/^(Arrow|Page|Home|End)/.test(event.key)) touch();
      });
      const output = element("output", {});
      this.inputs.push(input);
      this.outputs.push(output);
      return element("div", { class: "column" }, this.buttons[k], element("div", { class: "track" }, input), output);
    });
    const board = element("div", { class: "board", role: "group", "aria-labelledby": "question" }, bands, ...columns);
    board.style.setProperty("--bands", trial.labels.length || 1);
    return [this.beside(), scale, board];
  }

  grades() {
    const { trial } = this;
    const listened = element("div", { class: "row besides", role: "group", "aria-label": "Sounds" },
      ...(trial.kind === "degradation" ? [...this.buttons].reverse() : this.buttons));
    const options = {
      preference: [["0", "A"], ["1", "B"], ["none", "No difference"]],
      abx: [["0", "X is A"], ["1", "X is B"]],
      votes: this.names.map((name, k) => [String(k), `Sound ${name}`]),
    }[trial.kind] || trial.labels.map((label, k) => [String(trial.low + k), `${trial.low + k} – ${label}`]).reverse();
    let chosen = null;
    if (CHOICES.includes(trial.kind)) {
      chosen = this.answer.choice === undefined ? null : String(this.answer.choice ?? "none");
    } else if (this.answer.moved[0]) chosen = String(this.answer.scores[0]);
    const set = choices("answer", "Your answer", options, { chosen, onchange: (value) => this.choose(value) });
    return [listened, set];
  }

  choose(value) {
    if (CHOICES.includes(this.trial.kind)) this.answer.choice = value === "none" ? null : Number(value);
    else this.answer = { ...this.answer, scores: [Number(value)], moved: [true] };
    this.update();
    this.draft();
  }

  grade(k, value) {
    this.answer.scores[k] = value;
    this.answer.moved[k] = true;
    this.update();
    this.draft();
  }

  help() {
    const rows = [
      ["Space or P", "play and stop"],
      [this.keys.map((k) => k[0].toUpperCase()).join(" "), "let a sound be heard" + (this.trial.kind === "multi" ? ", and go to its grade" : "")],
      [", and .", "the sound before, the sound after"],
      ["Arrows, Page up, Page down", "change the grade"],
      ["[ and ]", "begin and end the loop at the playhead"],
      ["L, \\", "loop on and off, loop the whole sound"],
    ];
    return element("details", { class: "help" }, element("summary", {}, "Keys"),
      element("dl", {}, ...rows.flatMap(([key, text]) => [element("dt", {}, key), element("dd", {}, text)])),
      element("p", {}, "Drag over the waveform to loop a part of it; click it to go there."));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || takesLetters(event.target)) return;
    if (event.key === " " && takesSpace(event.target)) return;
    const pressed = event.key.toLowerCase();
    let wanted = this.keys.findIndex((keys) => keys.includes(pressed));
    if (pressed === "," || pressed === ".") {
      const count = this.names.length;
      wanted = (this.player.active + (pressed === "." ? 1 : count - 1)) % count;
    }
    if (wanted >= 0) {
      this.player.hear(wanted);
      if (this.inputs) (this.inputs[wanted] || this.buttons[wanted]).focus();
      announce(this.buttons[wanted].getAttribute("aria-label"));
    } else if (!this.transport.key(event)) return;
    event.preventDefault();
  }

  unheard() {
    const rated = this.trial.signals + (this.trial.reference ? 1 : 0); // the mixture may be left out
    const found = this.names.filter((_, k) => k < rated && this.player.heard[k] < this.trial.heard);
    return this.trial.kind === "degradation" ? found.reverse() : found; // the reference comes first there
  }

  unanswered() {
    if (CHOICES.includes(this.trial.kind)) return this.answer.choice === undefined ? ["your answer"] : [];
    return this.names.filter((_, k) => k < this.trial.signals && !this.answer.moved[k]);
  }

  update() {
    if (!this.next) return;
    this.transport.update();
    this.buttons.forEach((button, k) => {
      const on = k === this.player.active;
      button.setAttribute("aria-pressed", on);
      button.classList.toggle("sounding", on && this.player.playing);
      button.classList.toggle("heard", this.player.heard[k] >= this.trial.heard);
    });
    if (this.inputs) this.inputs.forEach((_, k) => this.updateSlider(k));
    const [unheard, unanswered] = [this.unheard(), this.unanswered()];
    const verb = this.trial.kind === "multi" ? "to grade" : "to answer";
    const lines = [
      unheard.length ? `still to ${this.trial.heard > 1 ? "hear to the end" : "listen to"}: ${unheard.join(", ")}` : "",
      unanswered.length ? (this.trial.kind === "multi" ? `still ${verb}: ${unanswered.join(", ")}` : "still to answer") : "",
    ].filter(Boolean);
    const text = lines.join("; ");
    const told = text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
    if (this.missing.textContent !== told) this.missing.textContent = told;
    this.next.setAttribute("aria-disabled", Boolean(told));
  }

  updateSlider(k) {
    const { low, high, labels } = this.trial;
    const [input, value, moved] = [this.inputs[k], this.answer.scores[k], this.answer.moved[k]];
    const band = labels[Math.min(labels.length - 1, Math.floor(((value - low) / (high - low)) * labels.length))];
    input.classList.toggle("untouched", !moved);
    input.setAttribute("aria-valuetext", moved ? `${value}${band ? `, ${band}` : ""}` : "not graded yet");
    this.outputs[k].replaceChildren(moved ? String(Math.round(value)) : "–", element("small", {}, (moved && band) || ""));
  }

  tick() {
    this.player.count();
    this.transport.tick();
    const now = performance.now();
    if (now - (this.drafted || 0) > 500) {
      this.update();
      this.draft();
    }
    this.frame = requestAnimationFrame(() => this.tick());
  }

  draft() {
    this.drafted = performance.now();
    this.keep({ answer: this.answer, heard: this.player.heard, ms: this.ms });
  }

  finish() {
    this.update();
    if (this.missing.textContent) {
      announce(this.missing.textContent);
      this.missing.classList.remove("look");
      requestAnimationFrame(() => this.missing.classList.add("look"));
      return;
    }
    this.player.stop();
    this.next.disabled = true;
    const { trial, answer } = this;
    const heard = this.player.heard.slice(0, trial.signals + (trial.reference ? 1 : 0));
    const given = CHOICES.includes(trial.kind)
      ? { choice: answer.choice } : { scores: answer.scores, moved: answer.moved };
    this.submit({ ...given, heard, ms: Math.round(this.ms) });
  }
}
