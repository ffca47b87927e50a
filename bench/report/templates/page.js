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
  document.querySelectorAll("tbody tr, .pairs figure").forEach((element) => { element.hidden = !fits(element); });
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

// Reconstructions.
document.querySelectorAll(".compare").forEach((group) => {
  const pairs = group.querySelectorAll(".pair");
  group.querySelector(".image").addEventListener("change", (event) => {
    pairs.forEach((pair) => pair.style.setProperty("--index", event.target.value));
  });
  group.querySelector(".difference").addEventListener("change", (event) => group.classList.toggle("differs", event.target.checked));
  pairs.forEach((pair) => pair.querySelector("input").addEventListener("input", (event) => {
    pair.style.setProperty("--at", event.target.value + "%");
  }));
});

// Dark and light: the system's choice until the button is used.
const theme = document.getElementById("theme"), root = document.documentElement;
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
function label() { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-pressed", String(isDark())); }
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
label();
