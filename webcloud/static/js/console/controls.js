// The bar: full screen, the paste dialog, and a way out for people without a mouse.
export function fullScreen(button, after) {
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", async () => {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
    } else {
      await document.documentElement.requestFullscreen();
      // Where the browser allows it, Escape and the like go to the guest too.
      await navigator.keyboard?.lock?.().catch(() => undefined);
    }
    after();
  });
}

export function pasteDialog(button, type, after) {
  const dialog = document.getElementById("console-paste-dialog");
  const text = document.getElementById("console-paste-text");
  button.addEventListener("click", () => {
    dialog.returnValue = "";
    dialog.showModal();
    text.focus();
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "type" && text.value) type(text.value);
    text.value = "";
    after();
  });
}

// The guest takes every key, Tab too: Ctrl, Alt and Shift together lead out of it.
export function leaveByKeyboard(place, leave) {
  place.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey && event.altKey && event.shiftKey)) return;
    leave();
    document.querySelector(".bar a, .bar button:not([disabled])")?.focus();
  }, { capture: true });
}
