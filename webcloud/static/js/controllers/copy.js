// Copies a text on click: data-copy holds it, or data-copy-from names the element.
import { say, word } from "../words.js";

export function connect(button) {
  button.addEventListener("click", async () => {
    const source = button.dataset.copyFrom;
    const text = source ? document.getElementById(source).textContent : button.dataset.copy;
    if (!(await write(text))) return;
    button.classList.add("copied");
    say(word("copied"));
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
}

// The clipboard interface exists on secure origins only; plain HTTP on a lab network
// falls back to a selection.
async function write(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
