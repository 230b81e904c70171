// The pages around the trials: consent, level, headphones, questionnaire, thanks.

import { choices, element, paragraphs, say, show } from "./dom.js";
import { Player, load } from "./player.js";
import { number, text, words } from "./texts.js";
import { Transport, keepSpace, takesLetters, takesSpace } from "./transport.js";

function form(submit, ...children) {
  const node = element("form", {}, ...children.filter(Boolean));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(node);
  });
  return node;
}

function next(key) {
  return element("footer", { class: "foot" }, element("button", { type: "submit", class: "next" }, text(key)));
}

// The transport's keys and clock, until the function that is returned is called; "Next" shows when enough was heard.
function drive(transport, enough) {
  const player = transport.player;
  const onkey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || takesLetters(event.target)) return;
    if (event.key === " " && takesSpace(event.target)) return;
    if (transport.key(event)) event.preventDefault();
  };
  let frame = 0;
  const button = document.querySelector(".next");
  const tick = () => {
    player.count();
    transport.tick();
    const disabled = String(player.heard[0] < enough);
    if (button.getAttribute("aria-disabled") !== disabled) button.setAttribute("aria-disabled", disabled);
    frame = requestAnimationFrame(tick);
  };
  player.onChange = () => transport.update();
  document.addEventListener("keydown", onkey);
  document.addEventListener("keyup", keepSpace);
  transport.update();
  tick();
  return () => {
    document.removeEventListener("keydown", onkey);
    document.removeEventListener("keyup", keepSpace);
    cancelAnimationFrame(frame);
    transport.close();
  };
}

export function consent(state, { post }) {
  show(
    element("h1", {}, state.title),
    ...paragraphs(state.instructions),
    element("ul", { class: "facts" },
      element("li", {}, text("consent.trials", { count: number(state.steps) })),
      element("li", {}, text("consent.minutes", { minutes: number(state.minutes) })),
      element("li", {}, text(state.headphones ? "consent.headphones_checked" : "consent.headphones")),
      element("li", {}, text("consent.saved"))),
    element("h2", {}, text("consent.heading")),
    ...paragraphs(state.consent),
    form((node) => post("consent", { agreed: true, ...(state.ask_name ? { name: node.elements.name.value } : {}) }),
      state.ask_name && element("label", { class: "field" }, element("span", {}, text("consent.name")),
        element("input", { type: "text", name: "name", required: true, maxlength: 120, autocomplete: "name" })),
      element("label", { class: "choice" }, element("input", { type: "checkbox", name: "agreed", required: true }),
        element("span", {}, text("consent.agree"))),
      next("consent.start")),
  );
}

export async function level(state, { post }) {
  show(element("h1", {}, text("level.heading")), element("p", { class: "wait" }, text("level.loading")));
  const buffers = await load(["audio/level"], state.sample_rate);
  const player = new Player(buffers, { levelDb: state.level_db });
  const transport = new Transport(player, [text("sounds.sound")], 0);
  const input = element("input", { type: "range", name: "level", min: -40, max: 0, step: 1, value: state.level_db, "aria-label": text("level.slider_name") });
  const output = element("output", {});
  const update = () => {
    player.setLevel(Number(input.value));
    output.textContent = text("test.decibels", { value: number(Number(input.value)) });
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", update);
  const close = { now: () => {} };
  show(
    element("h1", {}, text("level.heading")),
    element("p", {}, text("level.explained")),
    element("p", { class: "note" }, text("level.muted")),
    transport.node,
    form(() => {
      if (player.heard[0] < 1) {
        say(text("level.first"));
        return;
      }
      close.now();
      post("level", { level_db: Number(input.value) });
    }, element("label", { class: "field level" }, element("span", {}, text("level.slider")), input, output), next("level.keep")),
  );
  close.now = drive(transport, 1);
  update();
}

export async function headphones(state, { post }) {
  const rounds = 6;
  const answers = [];
  const again = state.attempts ? `${text("headphones.again")} ` : "";
  const ask = async (round) => {
    const [buffer] = await load([`audio/headphones/${round}`], state.sample_rate);
    const player = new Player([buffer], { looping: false, levelDb: state.level_db });
    const transport = new Transport(player, [text("headphones.tones")], null);
    transport.loopButton.hidden = transport.wholeButton.hidden = true;
    show(
      element("h1", {}, text("headphones.heading")),
      element("p", {}, `${again}${text("headphones.explained")}`),
      element("p", { class: "note" }, text("headphones.round", { number: number(round + 1), count: number(rounds) })),
      transport.node,
      form((node) => {
        if (player.heard[0] < 3) {
          say(text("headphones.first"));
          return;
        }
        answers.push(Number(node.elements.quietest.value));
        close();
        if (answers.length < rounds) ask(round + 1);
        else post("headphones", { answers });
      }, choices("quietest", text("headphones.question"), words("headphones.answers").map((label, k) => [String(k), label])), next("test.next")),
    );
    const close = drive(transport, 3);
  };
  await ask(0);
}

export function questionnaire(state, { post }) {
  const fields = state.questions.map(({ name, kind, question, required, values, choices: options, low, high }) => {
    const asked = required ? question : text("questionnaire.optional", { question });
    if (options.length) return choices(name, asked, options.map((option, k) => [values[k], option]), { required, row: kind === "scale" });
    const input = kind === "number"
      ? element("input", { type: "number", name, required, min: low, max: high, step: "any" })
      : element("textarea", { name, required, rows: 4, maxlength: 2000 });
    return element("label", { class: "field" }, element("span", {}, asked), input);
  });
  // What was left empty is sent, too: the answers are those to all questions.
  const answers = (node) => {
    const data = new FormData(node);
    return Object.fromEntries(state.questions.map(({ name }) => [name, data.get(name) ?? ""]));
  };
  show(
    element("h1", {}, text("questionnaire.heading")),
    form((node) => post("questionnaire", answers(node)), ...fields, next("questionnaire.finish")),
  );
}

export function done(state) {
  const url = state.completion_url;
  show(
    element("h1", {}, text("done.heading")),
    element("p", {}, text("done.saved")),
    url ? element("p", {}, element("a", { class: "next", href: url }, text("done.complete")))
      : element("p", {}, text("done.close")),
    url && element("p", { class: "note" }, text("done.soon")),
  );
  if (url) setTimeout(() => location.assign(url), 5000);
}

export function refused(state) {
  const url = state.screen_out_url;
  show(
    element("h1", {}, text("refused.heading")),
    element("p", {}, text("refused.explained")),
    url ? element("p", {}, element("a", { class: "next", href: url }, text("refused.leave")))
      : element("p", {}, text("done.close")),
  );
}
