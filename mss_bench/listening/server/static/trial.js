// The page of a trial: signals to switch between, and what is answered about them.

import { announce, choices, element, show } from "./dom.js";
import { Player, load, prefetch } from "./player.js";
import { number, text } from "./texts.js";
import { Transport, keepSpace, meanings, takesLetters, takesSpace } from "./transport.js";

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
    preference: ["A", "B"], abx: ["A", "B", "X"], single: [text("sounds.sound")], degradation: [text("sounds.second")],
  }[trial.kind] || Array.from({ length: trial.signals }, (_, k) => String(k + 1));
  const reference = text(trial.kind === "degradation" ? "sounds.first" : "sounds.reference");
  return [...own, ...(trial.reference ? [reference] : []), ...(trial.mixture ? [text("sounds.mixture")] : [])];
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
    show(element("h1", {}, this.heading()), element("p", { class: "wait" }, text("trial.loading")));
    let buffers;
    try {
      buffers = await load(urls(trial), this.state.sample_rate);
    } catch (error) {
      const again = element("button", { type: "button", class: "next", onclick: () => this.open() }, text("test.try_again"));
      show(element("h1", {}, this.heading()), element("p", { role: "alert" }, text("trial.not_loaded", { reason: error.message })), again);
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
    const drawn = { multi: reference, single: 0 }[trial.kind] ?? -1;
    this.transport = new Transport(this.player, this.names, this.state.waveform && drawn >= 0 ? drawn : null);
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
    const { step, trainings } = this.state;
    if (this.training && trainings > 1) return text("trial.training_of", { number: number(step + trainings + 1), count: number(trainings) });
    if (this.training) return text("trial.training");
    return text("trial.heading", { number: number(this.state.step + 1), count: number(this.state.steps) });
  }

  get ms() {
    return this.kept.ms + performance.now() - this.opened;
  }

  build() {
    const { trial, training } = this;
    this.buttons = this.names.map((name, k) => {
      const beside = k >= trial.signals;
      const label = /^\d+$/.test(name) ? text("sounds.numbered", { name }) : name;
      const key = this.keys[k][0];
      const node = element("button", { type: "button", class: beside ? "signal beside" : "signal", "aria-label": label, "aria-keyshortcuts": key },
        element("span", {}, name), name.toLowerCase() === key ? null : element("kbd", { "aria-hidden": "true" }, key.toUpperCase()));
      node.addEventListener("click", () => this.player.hear(k));
      return node;
    });
    this.next = element("button", { type: "button", class: "next", onclick: () => this.finish() }, text(training && this.state.step === -1 ? "trial.begin" : "test.next"));
    this.missing = element("p", { class: "missing", id: "missing", "aria-live": "polite" });
    const bar = training ? null : element("progress", { max: this.state.steps, value: this.state.step, "aria-label": text("trial.progress") });
    show(
      element("header", { class: "head" }, element("h1", {}, this.heading()), bar),
      training && element("p", { class: "note" }, text("trial.training_note")),
      trial.changed && element("p", { class: "changed", role: "status" }, text("trial.changed")),
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
    const own = this.trial.mixture ? element("small", {}, text("sounds.mixture_note")) : null;
    return element("div", { class: "row besides", role: "group", "aria-label": text("sounds.beside") }, ...nodes, own);
  }

  sliders() {
    const { trial } = this;
    this.inputs = [];
    this.outputs = [];
    const edge = (n) => number(Math.round(trial.low + ((trial.high - trial.low) * n) / trial.labels.length));
    const bands = element("div", { class: "bands", "aria-hidden": "true" },
      ...[...trial.labels.keys()].reverse().map((n) => element("span", { "data-high": edge(n + 1), "data-low": edge(n) }, trial.labels[n])));
    // Narrow screens have no room beside the sliders.
    const scale = element("p", { class: "scale", "aria-hidden": "true" },
      ...trial.labels.flatMap((label, n) => [n ? " · " : "", element("span", {}, text("trial.band", { low: edge(n), high: edge(n + 1), label }))]));
    const columns = Array.from({ length: trial.signals }, (_, k) => {
      const input = element("input", {
        type: "range", min: trial.low, max: trial.high, step: (trial.high - trial.low) / 100, value: this.answer.scores[k],
        "aria-label": text("trial.grade_name", { name: this.names[k] }), autocomplete: "off",
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
    const listened = element("div", { class: "row besides", role: "group", "aria-label": text("sounds.all") },
      ...(trial.kind === "degradation" ? [...this.buttons].reverse() : this.buttons));
    const options = {
      preference: [["0", "A"], ["1", "B"], ["none", text("trial.no_difference")]],
      abx: [["0", text("trial.x_is_a")], ["1", text("trial.x_is_b")]],
      votes: this.names.map((name, k) => [String(k), text("sounds.numbered", { name })]),
    }[trial.kind] || trial.labels.map((label, k) => [String(trial.low + k), text("trial.choice", { grade: number(trial.low + k), label })]).reverse();
    let chosen = null;
    if (CHOICES.includes(trial.kind)) {
      chosen = this.answer.choice === undefined ? null : String(this.answer.choice ?? "none");
    } else if (this.answer.moved[0]) chosen = String(this.answer.scores[0]);
    const set = choices("answer", text("trial.answer"), options, { chosen, onchange: (value) => this.choose(value) });
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
      [text("keys.or", { first: text("keys.space"), second: "P" }), text("keys.play")],
      [this.keys.map((k) => k[0].toUpperCase()).join(" "), text(this.inputs ? "keys.hear_and_grade" : "keys.hear")],
      [text("keys.and", { first: ",", second: "." }), text("keys.neighbours")],
      [text("keys.arrows"), text("keys.change")],
      [text("keys.and", { first: "I", second: "O" }), text("keys.ends")],
      ["L", text("keys.loop")],
      ["U", text("keys.whole")],
    ];
    return element("details", { class: "help" }, element("summary", {}, text("keys.heading")),
      element("dl", {}, ...rows.flatMap(([key, told]) => [element("dt", {}, key), element("dd", {}, told)])),
      this.transport.wave && element("p", {}, text("keys.waveform")));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || takesLetters(event.target)) return;
    if (event.key === " " && takesSpace(event.target)) return;
    const [typed, ...more] = meanings(event);
    const place = (key) => this.keys.findIndex((keys) => keys.includes(key));
    let wanted = [typed, ...more].map(place).find((k) => k >= 0) ?? -1;
    if (typed === "," || typed === ".") {
      const count = this.names.length;
      wanted = (this.player.active + (typed === "." ? 1 : count - 1)) % count;
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
    if (CHOICES.includes(this.trial.kind)) return this.answer.choice === undefined ? [""] : [];
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
    const [hear, answer] = [this.trial.heard > 1 ? "trial.to_hear_out" : "trial.to_listen", this.inputs ? "trial.to_grade" : "trial.to_answer"];
    const told = [
      unheard.length ? text(hear, { sounds: unheard.join(", ") }) : "",
      unanswered.length ? text(answer, { sounds: unanswered.join(", ") }) : "",
    ].filter(Boolean).join(" ");
    if (this.missing.textContent !== told) this.missing.textContent = told;
    this.next.setAttribute("aria-disabled", Boolean(told));
  }

  updateSlider(k) {
    const { low, high, labels } = this.trial;
    const [input, value, moved] = [this.inputs[k], this.answer.scores[k], this.answer.moved[k]];
    const band = labels[Math.min(labels.length - 1, Math.floor(((value - low) / (high - low)) * labels.length))];
    input.classList.toggle("untouched", !moved);
    input.setAttribute("aria-valuetext", !moved ? text("trial.not_graded") : band ? text("trial.grade", { value: number(value), label: band }) : number(value));
    this.outputs[k].replaceChildren(moved ? number(Math.round(value)) : "–", element("small", {}, (moved && band) || ""));
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
