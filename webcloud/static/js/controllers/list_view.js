// How a list is looked at: which columns show and how high the rows are, remembered by
// this browser for each list and applied again to every fragment that arrives.
export function connect(menu) {
  const list = document.getElementById(menu.dataset.list);
  const key = `list-view:${list.id}`;
  const wish = read(key);

  const apply = () => {
    list.classList.toggle("compact", wish.compact);
    for (const cell of list.querySelectorAll("[data-column]")) {
      cell.hidden = wish.without.includes(cell.dataset.column);
    }
    for (const box of menu.querySelectorAll("[data-shows]")) {
      box.checked = !wish.without.includes(box.dataset.shows);
    }
    const compact = menu.querySelector("[data-compact]");
    if (compact) compact.checked = wish.compact;
  };
  menu.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-compact]")) wish.compact = box.checked;
    if (box.matches("[data-shows]")) {
      wish.without = wish.without.filter((name) => name !== box.dataset.shows);
      if (!box.checked) wish.without.push(box.dataset.shows);
    }
    localStorage.setItem(key, JSON.stringify(wish));
    apply();
    event.stopPropagation();
  });
  document.body.addEventListener("webcloud:arrived", (event) => {
    if (list.contains(event.target)) apply();
  });
  apply();
}

function read(key) {
  try {
    const kept = JSON.parse(localStorage.getItem(key)) ?? {};
    return { compact: kept.compact === true, without: [kept.without ?? []].flat().map(String) };
  } catch {
    return { compact: false, without: [] };
  }
}
