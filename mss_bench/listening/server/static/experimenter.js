// Keeps the experimenter's table up to date, and copies links.

const PERIOD = 10000; // ms

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("live").replaceWith(page.getElementById("live"));
  } catch {
    // the next round tries again
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const link = new URL(button.dataset.copy, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    button.textContent = "Copied";
  } catch {
    window.prompt("The link", link); // browsers give the clipboard to https and localhost only
  }
});

setInterval(refresh, PERIOD);
