// Remembers for this browser tab whether the activity drawer is open.
const KEY = "activity-drawer";

export function connect(details) {
  if (sessionStorage.getItem(KEY) === "open") details.open = true;
  details.addEventListener("toggle", () => {
    sessionStorage.setItem(KEY, details.open ? "open" : "closed");
  });
}
