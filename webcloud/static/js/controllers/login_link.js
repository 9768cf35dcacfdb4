// A one-time login link carries its token in the fragment, which never reaches a
// server log. It is taken out of the address bar and posted with the page's form.
export function connect(form) {
  const match = /^#token=([\w.~-]+)$/.exec(location.hash);
  if (!match) return;
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.namedItem("token").value = match[1];
  form.hidden = false;
  form.requestSubmit();
}
