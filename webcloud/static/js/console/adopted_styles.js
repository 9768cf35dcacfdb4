// xterm writes its colours into <style> elements, which the page's security policy
// refuses. From here on this page's style elements are adopted style sheets, which
// it allows.
export function adoptStyleElements() {
  const createElement = document.createElement.bind(document);
  document.createElement = (tag, options) =>
    (tag === "style" ? styleElement(createElement) : createElement(tag, options));
}

function styleElement(createElement) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const element = createElement("span");
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (rules) => sheet.replaceSync(rules) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}
