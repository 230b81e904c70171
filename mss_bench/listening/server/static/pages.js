// The pages around the trials: consent, level, headphones, questionnaire, thanks.

import { choices, element, paragraphs, say, show } from "./dom.js";
import { Player, load } from "./player.js";
import { Transport, keepSpace, takesLetters, takesSpace } from "./transport.js";

function form(submit, ...children) {
  const node = element("form", {}, ...children.filter(Boolean));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(node);
  });
  return node;
}

function next(text) {
  return element("footer", { class: "foot" }, element("button", { type: "submit", class: "next" }, text));
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
  const headphones = state.headphones ? ["Please use headphones; they are checked first."] : ["Please use headphones if you can."];
  show(
    element("h1", {}, state.title),
    ...paragraphs(state.instructions),
    element("ul", { class: "facts" },
      element("li", {}, `${state.steps} ${state.steps === 1 ? "trial" : "trials"}, about ${state.minutes} minutes`),
      ...headphones.map((text) => element("li", {}, text)),
      element("li", {}, "Every trial is saved; you can close this page and come back by the same link.")),
    element("h2", {}, "Consent"),
    ...paragraphs(state.consent),
    form((node) => post("consent", { agreed: true, ...(state.ask_name ? { name: node.elements.name.value } : {}) }),
      state.ask_name && element("label", { class: "field" }, element("span", {}, "Your name"),
        element("input", { type: "text", name: "name", required: true, maxlength: 120, autocomplete: "name" })),
      element("label", { class: "choice" }, element("input", { type: "checkbox", name: "agreed", required: true }),
        element("span", {}, "I have read this and agree.")),
      next("Start")),
  );
}

export async function level(state, { post }) {
  show(element("h1", {}, "Set the level"), element("p", { class: "wait" }, "Loading the sound …"));
  const buffers = await load(["audio/level"], state.sample_rate);
  const player = new Player(buffers, { levelDb: state.level_db });
  const transport = new Transport(player, ["Sound"], 0);
  const input = element("input", { type: "range", name: "level", min: -40, max: 0, step: 1, value: state.level_db, "aria-label": "Level in decibels" });
  const output = element("output", {});
  const update = () => {
    player.setLevel(Number(input.value));
    output.textContent = `${input.value} dB`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", update);
  const close = { now: () => {} };
  show(
    element("h1", {}, "Set the level"),
    element("p", {}, "Play the sound and turn your device up or down until it is comfortable; the slider here helps to fine-tune. Then leave the level as it is: all sounds of the test are adjusted to each other."),
    element("p", { class: "note" }, "Nothing to hear? Turn the volume up, and look at the silent switch of a phone."),
    transport.node,
    form(() => {
      if (player.heard[0] < 1) {
        say("Please play the sound first.");
        return;
      }
      close.now();
      post("level", { level_db: Number(input.value) });
    }, element("label", { class: "field level" }, element("span", {}, "Level"), input, output), next("Keep this level")),
  );
  close.now = drive(transport, 1);
  update();
}

export async function headphones(state, { post }) {
  const rounds = 6;
  const answers = [];
  const again = state.attempts ? "That did not fit headphones. Please check that they are plugged in and worn on both ears; you have one more try. " : "";
  const ask = async (number) => {
    const [buffer] = await load([`audio/headphones/${number}`], state.sample_rate);
    const player = new Player([buffer], { looping: false, levelDb: state.level_db });
    const transport = new Transport(player, ["Tones"], null);
    transport.loopButton.hidden = transport.wholeButton.hidden = true;
    show(
      element("h1", {}, "Headphones"),
      element("p", {}, `${again}Put on your headphones and play the three tones. Which of them is the quietest?`),
      element("p", { class: "note" }, `${number + 1} of ${rounds}`),
      transport.node,
      form((node) => {
        if (player.heard[0] < 3) {
          say("Please listen to all three tones first.");
          return;
        }
        answers.push(Number(node.elements.quietest.value));
        close();
        if (answers.length < rounds) ask(number + 1);
        else post("headphones", { answers });
      }, choices("quietest", "The quietest is", [["0", "the first"], ["1", "the second"], ["2", "the third"]]), next("Next")),
    );
    const close = drive(transport, 3);
  };
  await ask(0);
}

export function questionnaire(state, { post }) {
  const fields = state.questions.map(({ name, question, choices: options }) => options.length
    ? choices(name, question, options.map((option) => [option, option]))
    : element("label", { class: "field" }, element("span", {}, question), element("textarea", { name, rows: 4, maxlength: 2000 })));
  show(
    element("h1", {}, "A few questions"),
    form((node) => post("questionnaire", Object.fromEntries(new FormData(node))), ...fields, next("Finish")),
  );
}

export function done(state) {
  const url = state.completion_url;
  show(
    element("h1", {}, "Thank you"),
    element("p", {}, "All of your grades are saved."),
    url ? element("p", {}, element("a", { class: "next", href: url }, "Complete the study"))
      : element("p", {}, "You can close this page now."),
    url && element("p", { class: "note" }, "You are taken there in a few seconds."),
  );
  if (url) setTimeout(() => location.assign(url), 5000);
}

export function refused(state) {
  const url = state.screen_out_url;
  show(
    element("h1", {}, "Headphones are needed"),
    element("p", {}, "The check did not find headphones, and this test cannot be done without them. Thank you for trying."),
    url ? element("p", {}, element("a", { class: "next", href: url }, "Leave the study"))
      : element("p", {}, "You can close this page now."),
  );
}
