// Shows the fields of the chosen way to give a key: none, existing, pasted, generated.
export function connect(field) {
  const update = () => {
    const chosen = field.querySelector("[name=key_mode]:checked")?.value;
    for (const part of field.querySelectorAll("[data-key-mode]")) {
      const shown = part.dataset.keyMode.split(" ").includes(chosen);
      part.hidden = !shown;
      for (const input of part.querySelectorAll("input, select, textarea")) input.disabled = !shown;
    }
  };
  field.addEventListener("change", update);
  update();
}
