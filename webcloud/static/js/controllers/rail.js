// On a phone the rail is a drawer: the button in the top bar opens and closes it.
export function connect(button) {
  const rail = document.getElementById("rail");
  const set = (open) => {
    rail.classList.toggle("open", open);
    button.setAttribute("aria-expanded", String(open));
    if (open) rail.querySelector("a")?.focus();
  };
  button.addEventListener("click", () => set(!rail.classList.contains("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && rail.classList.contains("open")) {
      set(false);
      button.focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (rail.contains(event.target) || button.contains(event.target)) return;
    if (rail.classList.contains("open")) set(false);
  });
}
