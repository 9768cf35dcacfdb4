// Opens the dialog named in data-dialog; the browser keeps focus in it, closes it on
// Escape and gives the focus back. Inside, a button with data-close closes it.
export function connect(element) {
  element.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener && element.contains(opener)) {
      open(opener, document.getElementById(opener.dataset.dialog));
    }
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog")?.close();
    if (event.target.nodeName === "DIALOG") event.target.close();
  });
}

// An opener in a menu is hidden when the dialog closes, so the menu's own button gets
// the focus back.
function open(opener, dialog) {
  const menu = opener.closest("details");
  if (menu) {
    menu.open = false;
    const summary = menu.querySelector("summary");
    dialog.addEventListener("close", () => setTimeout(() => summary.focus()), { once: true });
  }
  dialog.showModal();
}
