// Sets the colour theme before anything is painted. The page says what the user chose
// (data-theme: light, dark or auto); auto follows the system, also when that changes.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

function apply() {
  const chosen = root.dataset.theme;
  const dark = chosen === "dark" || (chosen !== "light" && system.matches);
  root.setAttribute("data-bs-theme", dark ? "dark" : "light");
}

apply();
system.addEventListener("change", apply);
