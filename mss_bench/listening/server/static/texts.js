// What the pages say, and how numbers are written, in the language of the listeners.

const texts = JSON.parse(document.getElementById("texts").content.textContent);

export function text(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A list of texts, e.g. the choices of a question.
export function words(key) {
  return texts[key];
}

export function number(value, digits = 0) {
  const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(document.documentElement.lang, shown).format(value);
}

export function seconds(value) {
  return text("test.seconds", { value: number(value, 1) });
}
