// A listener's way through the test. The server says where they are; this shows it and sends what they answer.

import { element, say, show, unique } from "./dom.js";
import * as pages from "./pages.js";
import { text } from "./texts.js";
import { TrialPage } from "./trial.js";

const DRAFT = `draft ${location.pathname}`;
const WAITS = [1, 2, 4, 8, 15]; // seconds between tries

let open = null;

function readDraft(step) {
  try {
    const found = JSON.parse(sessionStorage.getItem(DRAFT));
    return found && found.step === step ? found : null;
  } catch {
    return null;
  }
}

function keepDraft(draft) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // a browser that stores nothing only loses the draft of a trial on a reload
  }
}

// Sends until an answer comes. The same text is sent again, so that the server knows it when it was saved already.
async function request(path, body) {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  for (let tried = 0; ; tried++) {
    try {
      const answer = await fetch(`api/${path}`, sent === undefined ? {} : {
        method: "POST", headers: { "Content-Type": "application/json" }, body: sent,
      });
      if (answer.status < 500) {
        say("");
        return { ok: answer.ok, status: answer.status, content: await answer.json() };
      }
    } catch {
      // no connection: tried again below
    }
    const wait = WAITS[Math.min(tried, WAITS.length - 1)];
    say(text("problem.no_connection", { seconds: wait }));
    await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
  }
}

async function post(path, body) {
  const answer = await request(path, body);
  if (answer.ok) return render(answer.content.state);
  if (answer.status === 409) return start(); // another window went on
  return failed(text("message.bad_request"), answer.content.error);
}

// detail: what the server says to whoever looks for the fault, in English.
function failed(message, detail) {
  show(
    element("h1", {}, text("problem.heading")),
    element("p", { role: "alert" }, message),
    detail && element("p", { class: "note", lang: "en", dir: "ltr" }, detail),
    element("button", { type: "button", class: "next", onclick: () => start() }, text("test.try_again")),
  );
}

function trial(state) {
  const step = state.trial.step;
  const draft = readDraft(step);
  const id = (draft && draft.id) || unique();
  const keep = (values) => keepDraft({ step, id, ...values });
  const submit = (answer) => {
    if (state.stage === "training") return post("training", { step });
    return post(`trials/${step}`, { id, ...answer });
  };
  open = new TrialPage(state, { draft, keep, submit });
  return open.open();
}

async function render(state) {
  if (open) open.close();
  open = null;
  say("");
  document.body.dataset.stage = state.stage;
  const page = state.trial ? trial : pages[state.stage];
  try {
    await page(state, { post });
  } catch (error) {
    failed(text("problem.page", { reason: error.message }));
  }
}

async function start() {
  const answer = await request("state");
  if (answer.ok) await render(answer.content);
  else failed(text("message.bad_request"), answer.content.error);
}

start();
