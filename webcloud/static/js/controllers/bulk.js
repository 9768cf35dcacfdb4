// Selection in a list: counts ticked rows, shows the bar of bulk actions, ticks all,
// and puts the count and the names into confirmations.
import { word } from "../words.js";

export function connect(form) {
  const update = () => {
    const boxes = [...form.querySelectorAll("[data-pick]")];
    const picked = boxes.filter((box) => box.checked);
    const bar = form.querySelector("[data-bulk-bar]");
    const all = form.querySelector("[data-pick-all]");
    if (bar) bar.hidden = picked.length === 0;
    if (all) {
      all.checked = boxes.length > 0 && picked.length === boxes.length;
      all.indeterminate = picked.length > 0 && picked.length < boxes.length;
    }
    const names = picked.map((box) => box.dataset.name);
    for (const element of form.querySelectorAll("[data-bulk-count]")) {
      const key = element.dataset.bulkCount + (picked.length === 1 ? "_one" : "_many");
      element.textContent = word(key, { count: picked.length, name: names[0] });
    }
    for (const element of form.querySelectorAll("[data-bulk-names]")) {
      element.textContent = names.join(", ");
    }
  };
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      for (const box of form.querySelectorAll("[data-pick]")) box.checked = event.target.checked;
    }
    update();
  });
  form.addEventListener("click", (event) => {
    if (!event.target.closest("[data-pick-none]")) return;
    for (const box of form.querySelectorAll("[data-pick]")) box.checked = false;
    update();
  });
  // A fresh fragment comes without counts and names, whether it holds the form or a row of it.
  document.body.addEventListener("webcloud:arrived", (event) => {
    if (form.contains(event.target) || event.target.contains(form)) update();
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== form || !event.detail.successful) return;
    for (const box of form.querySelectorAll("[data-pick]")) box.checked = false;
    for (const open of form.querySelectorAll("dialog[open]")) open.close();
    update();
  });
  update();
}
