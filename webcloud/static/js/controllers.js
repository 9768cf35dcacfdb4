// Starts controllers: each module exports connect(element), called once per element
// that names it, at load and for elements that arrive later with a fragment.
const connected = new WeakMap();

export function startController(controllers) {
  const connectIn = (root) => {
    const found = [...root.querySelectorAll("[data-controller]")];
    if (root.matches?.("[data-controller]")) found.unshift(root);
    for (const element of found) {
      const done = connected.get(element) ?? new Set();
      connected.set(element, done);
      for (const name of element.dataset.controller.split(/\s+/)) {
        if (done.has(name) || !controllers[name]) continue;
        done.add(name);
        controllers[name].connect(element);
      }
    }
  };
  connectIn(document.body);
  document.body.addEventListener("webcloud:arrived", (event) => connectIn(event.target));
}
