"use strict";
// Tables that sort: a click on a heading sorts by its column, another one turns the order round.
function sortTable(table, column, button) {
  const heading = button.closest("th");
  const falling = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const key = (row) => row.cells[column].textContent.trim().replace("−", "-");
  const number = (text) => (text === "" || isNaN(Number(text)) ? null : Number(text));
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: key(row), value: number(key(row)) }));
  rows.sort((a, b) => {
    const order = a.value !== null && b.value !== null ? a.value - b.value : a.text.localeCompare(b.text, "en", { numeric: true });
    return falling ? -order : order;
  });
  table.tBodies[0].append(...rows.map((item) => item.row));
  table.classList.add("sorted");
}
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (!heading.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortTable(table, column, button));
    heading.append(button);
  });
}

// Frames in 3-D: the library is unpacked when it is first wanted.
async function loadLibrary() {
  if (window.$3Dmol) return;
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}
const part = document.getElementById("scene-part");
if (part) {
  const view = document.getElementById("scene"), select = document.getElementById("scene-frame");
  const scenes = JSON.parse(document.getElementById("scenes").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const point = (numbers) => ({ x: numbers[0], y: numbers[1], z: numbers[2] });
  let viewer = null;
  part.hidden = false;
  async function show() {
    const scene = scenes[Number(select.value)];
    view.hidden = false;
    view.setAttribute("aria-label", "Structure of " + scene.name + ", which arrow keys turn");
    try {
      await loadLibrary();
      viewer ??= window.$3Dmol.createViewer(view, { backgroundAlpha: 0 });
    } catch (error) {
      view.textContent = "This browser cannot draw in 3-D (" + error.message + ").";
      return;
    }
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.setBackgroundColor(colour("--card"), 1);
    viewer.addModel(scene.xyz, "xyz");
    viewer.setStyle({}, { stick: { radius: 0.11 }, sphere: { scale: 0.25 } });
    for (const a of scene.arrows)
      viewer.addArrow({ start: point(a), end: point(a.slice(3)), radius: 0.07, radiusRatio: 2.2, mid: 0.7, color: colour("--vermillion") });
    for (const e of scene.edges) viewer.addLine({ start: point(e), end: point(e.slice(3)), color: colour("--grey") });
    viewer.zoomTo();
    viewer.zoom(1.3);
    viewer.render();
    view.dataset.shown = scene.name;
  }
  document.getElementById("scene-show").addEventListener("click", show);
  select.addEventListener("change", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => viewer && show());
  const turns = { ArrowLeft: [-15, "y"], ArrowRight: [15, "y"], ArrowUp: [-15, "x"], ArrowDown: [15, "x"] };
  view.addEventListener("keydown", (event) => {
    if (!viewer) return;
    if (event.key in turns) viewer.rotate(...turns[event.key]);
    else if (event.key === "+") viewer.zoom(1.2);
    else if (event.key === "-") viewer.zoom(1 / 1.2);
    else return;
    event.preventDefault();
    viewer.render();
  });
}
