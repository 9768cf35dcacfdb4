// The command palette (Ctrl-K or Cmd-K): pages and objects by name, all by keyboard.
import { word } from "../words.js";

export function connect(dialog) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  let asked = 0;
  let timer = 0;
  let answered = Promise.resolve();

  const options = () => [...list.querySelectorAll("[role=option]")];
  const choose = (option) => {
    for (const each of options()) each.setAttribute("aria-selected", String(each === option));
    input.setAttribute("aria-activedescendant", option?.id ?? "");
    option?.scrollIntoView({ block: "nearest" });
  };
  const open = () => {
    if (dialog.open) return;
    input.value = "";
    dialog.showModal();
    search();
  };

  async function search() {
    const number = ++asked;
    const answer = await fetch(`${dialog.dataset.source}?q=${encodeURIComponent(input.value)}`, {
      headers: { Accept: "application/json" },
    });
    if (number !== asked || !answer.ok) return;
    const { items } = await answer.json();
    list.replaceChildren(...items.map(row));
    if (items.length === 0) {
      const none = document.createElement("li");
      none.className = "menu-note";
      none.textContent = word("nothing_found");
      list.replaceChildren(none);
    }
    choose(options()[0]);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) open();
  });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    answered = new Promise((resolve) => { timer = setTimeout(() => resolve(search()), 120); });
  });
  input.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.findIndex((each) => each.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose(all[(at + step + all.length) % all.length]);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      // Who types fast means what was typed, not what is still listed.
      answered.then(() => {
        const chosen = list.querySelector("[aria-selected=true]");
        if (chosen) location.assign(chosen.dataset.href);
      });
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) location.assign(option.dataset.href);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

function row(item, index) {
  const option = document.createElement("li");
  option.className = "menu-item";
  option.id = `palette-option-${index}`;
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  option.dataset.href = item.href;
  const name = document.createElement("span");
  name.textContent = item.name;
  const kind = document.createElement("small");
  kind.textContent = item.kind;
  option.append(name, kind);
  return option;
}
