// Elements from names, attributes and text. Text is never read as HTML.

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function paragraphs(text) {
  return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => element("p", {}, part.trim()));
}

// Shows a page and moves the focus to its heading, which screen readers then read.
export function show(...children) {
  const main = document.getElementById("main");
  main.replaceChildren(...children.filter(Boolean));
  const heading = main.querySelector("h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
  window.scrollTo(0, 0);
}

// For screen readers alone.
export function announce(text) {
  document.getElementById("announcement").textContent = text;
}

let clearing = 0;

export function say(text) {
  const node = document.getElementById("status");
  node.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => (node.textContent = ""), 10000);
}

// A word of letters and digits that nobody else makes.
export function unique() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export function choices(name, legend, options, { chosen = null, onchange = null, required = true, row = false } = {}) {
  const rows = options.map(([value, label]) => {
    const input = element("input", { type: "radio", name, value, required, checked: value === chosen });
    if (onchange) input.addEventListener("change", () => onchange(value));
    return element("label", { class: "choice" }, input, element("span", {}, label));
  });
  return element("fieldset", {}, element("legend", {}, legend), element("div", { class: row ? "points" : "choices" }, ...rows));
}
