"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// Sorting: by number where a cell has one, by text otherwise; rows without a value stay last in both directions.
function key(row, index) {
  const cell = row.cells[index];
  if (index === 0) return cell.textContent;
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}
function sortBy(head) {
  const table = head.closest("table"), body = table.tBodies[0], index = head.cellIndex;
  const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const rows = Array.from(body.rows);
  rows.sort((one, other) => {
    const a = key(one, index), b = key(other, index);
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
  rows.forEach((row) => { row.classList.remove("first"); body.append(row); });
  table.querySelectorAll("th[aria-sort]").forEach((th) => th.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
}
document.querySelectorAll(".sort").forEach((button) => button.addEventListener("click", () => sortBy(button.closest("th"))));

// Filtering: all words must occur in the method's label or title.
const filter = document.getElementById("filter");
function apply() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (element) => words.every((word) => element.dataset.name.includes(word));
  document.querySelectorAll("tbody tr, .tiles figure:not(.first)").forEach((element) => { element.hidden = !fits(element); });
  document.querySelectorAll(".tiles").forEach((tiles) => {
    tiles.classList.toggle("all", words.length > 0 || tiles.dataset.every === "yes");
  });
  document.querySelectorAll("section").forEach((section) => {
    const note = section.querySelector(".none");
    if (note) note.hidden = Array.from(section.querySelectorAll("tbody tr")).some((row) => !row.hidden);
  });
}
filter.addEventListener("input", apply);

// The provenance panel. Everything is set as text, never as markup.
const panel = document.getElementById("panel"), body = document.getElementById("panel-body");
function list(object) {
  const dl = document.createElement("dl");
  for (const [name, value] of Object.entries(object)) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name === "" ? "type" : name;
    if (Array.isArray(value) && value.every((item) => item === null || typeof item !== "object")) dd.textContent = value.join(", ");
    else if (value !== null && typeof value === "object" && Object.keys(value).length) dd.append(list(value));
    else dd.textContent = value === null ? "not said" : typeof value === "object" ? "none" : String(value);
    dl.append(dt, dd);
  }
  return dl;
}
function folded(title, object, open) {
  if (!object || !Object.keys(object).length) return [];
  const details = document.createElement("details"), summary = document.createElement("summary");
  details.open = open;
  summary.textContent = title;
  details.append(summary, list(object));
  return [details];
}
function show(id) {
  body.replaceChildren();
  for (const source of data.cells[id]) {
    const result = data.results[source.result];
    body.append(list(Object.assign({}, source.number, result.about)));
    body.append(...folded("Signature " + source.signature_id, data.signatures[source.signature_id], true));
    body.append(...folded("Settings", result.settings, false), ...folded("Arguments", result.arguments, false));
    body.append(...folded("Provenance", data.provenance[result.provenance], false));
    body.append(document.createElement("hr"));
  }
  if (body.lastElementChild) body.lastElementChild.remove();
  panel.showModal();
}
document.querySelectorAll(".number").forEach((button) => button.addEventListener("click", () => show(button.dataset.source)));
document.getElementById("close").addEventListener("click", () => panel.close());
panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });

// What a dot of a scatter says, under the pointer or the keyboard.
const tip = document.getElementById("tip");
function say(dot) {
  const box = dot.getBoundingClientRect();
  tip.textContent = dot.dataset.tip;
  tip.hidden = false;
  const left = Math.min(box.left + 12, innerWidth - tip.offsetWidth - 8), above = box.top - tip.offsetHeight - 8;
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = (above < 0 ? box.bottom + 8 : above) + "px";
}
document.querySelectorAll(".dot").forEach((dot) => {
  for (const name of ["mouseenter", "focus", "click"]) dot.addEventListener(name, () => say(dot));
  for (const name of ["mouseleave", "blur"]) dot.addEventListener(name, () => { tip.hidden = true; });
});

// Reconstructions: one image, one place and one zoom for all methods.
function comparing(group) {
  const zoom = group.querySelector(".zoom"), views = group.querySelectorAll(".view"), thumbs = group.querySelectorAll(".thumb");
  let x = 0, y = 0;  // of the upper left corner, in widths of the view
  function place() {
    const most = Number(zoom.value) - 1;
    x = Math.min(Math.max(x, 0), most);
    y = Math.min(Math.max(y, 0), most);
    group.style.setProperty("--zoom", zoom.value);
    group.style.setProperty("--x", x);
    group.style.setProperty("--y", y);
    reveal();
  }
  function reveal() {  // the share is of the view, the clipping of the zoomed image
    const share = Number(group.querySelector(".share").value) / 100, factor = Number(zoom.value);
    group.style.setProperty("--share", Math.max(0, (share + x) / factor) * (share > 0) * 100 + "%");
  }
  function zoomTo(factor, atX, atY) {
    const before = Number(zoom.value);
    zoom.value = factor;
    const ratio = Number(zoom.value) / before;
    x = (x + atX) * ratio - atX;
    y = (y + atY) * ratio - atY;
    place();
  }
  let last = Number(zoom.value);
  zoom.addEventListener("input", () => {
    const ratio = Number(zoom.value) / last;
    x = (x + .5) * ratio - .5;
    y = (y + .5) * ratio - .5;
    last = Number(zoom.value);
    place();
  });
  const every = group.querySelector(".every");
  if (every) every.addEventListener("click", () => {
    const tiles = group.querySelector(".tiles");
    tiles.dataset.every = "yes";
    tiles.classList.add("all");
    every.hidden = true;
  });
  group.querySelector(".share").addEventListener("input", reveal);
  group.querySelector(".difference").addEventListener("change", (event) => group.classList.toggle("differs", event.target.checked));
  views.forEach((view) => {
    let from = null;
    view.addEventListener("pointerdown", (event) => { from = event; view.setPointerCapture(event.pointerId); });
    view.addEventListener("pointermove", (event) => {
      if (from === null) return;
      x -= (event.clientX - from.clientX) / view.clientWidth;
      y -= (event.clientY - from.clientY) / view.clientHeight;
      from = event;
      place();
    });
    for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, () => { from = null; });
    view.addEventListener("dblclick", (event) => {
      const box = view.getBoundingClientRect();
      const factor = Number(zoom.value) >= 8 ? 1 : Math.min(8, Number(zoom.value) * 2);
      zoomTo(factor, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
      last = Number(zoom.value);
    });
    view.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-.2, 0], ArrowRight: [.2, 0], ArrowUp: [0, -.2], ArrowDown: [0, .2] }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      x += step[0];
      y += step[1];
      place();
    });
  });
  thumbs.forEach((thumb) => thumb.addEventListener("click", () => {
    const index = Number(thumb.dataset.index), first = group.querySelector("figure").dataset.files.split(" ")[index];
    thumbs.forEach((other) => other.setAttribute("aria-pressed", String(other === thumb)));
    group.querySelectorAll("figure").forEach((figure) => {
      const file = figure.dataset.files.split(" ")[index], made = figure.querySelector(".reconstruction");
      figure.querySelector(".original").src = first;
      if (made) made.src = file;
      figure.querySelector("figcaption a").href = file;
    });
  }));
}
document.querySelectorAll(".compare").forEach(comparing);

// Dark and light: the system's choice until the button is used.
const theme = document.getElementById("theme"), root = document.documentElement;
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
function label() { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-pressed", String(isDark())); }
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
label();
