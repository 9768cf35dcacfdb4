// Menus are details elements: they open without this. With it they close on Escape,
// on a click elsewhere and when focus leaves, and arrows move between the items.
export function connect(menu) {
  const summary = menu.querySelector("summary");
  const items = () => [...menu.querySelectorAll(".menu-panel a, .menu-panel button, .menu-panel [tabindex]")];

  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      summary.focus();
      event.stopPropagation();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    menu.open = true;
    const all = items();
    const at = all.indexOf(document.activeElement);
    const next = event.key === "ArrowDown" ? at + 1 : Math.max(at, 0) - 1;
    all[(next + all.length) % all.length]?.focus();
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  document.addEventListener("pointerdown", (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
}
