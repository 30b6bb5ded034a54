// A grid of many cells in a window of few elements: rows are placed absolutely, and used again when they leave.

const LEAST = 116, GAP = 6; // pixels: the side of a cell at least, and the space between two
const LEAST_COLUMNS = 3;
const MOST_CELLS = 96; // at once, of four elements each
const BEYOND = 1; // rows that are ready above and below
const REST = 60; // milliseconds without scrolling
const LONG_PRESS = 450; // milliseconds

/**
 * @param box the element that scrolls; it becomes a grid of `role=grid`.
 * @param listed {count() → cells, make() → the children of a new cell, paint(cell, place, isFast), rested(first, end)}: nobody
 *   sees the pictures of a cell that flies past; `rested` hears which places are shown when scrolling rests.
 * @param heard {moved(place, {extends, toggles, by}), pressed(place)}: a cell was gone to; or a finger rested on it.
 */
export function makeGrid(box, listed, heard) {
  const space = document.createElement("div");
  space.className = "space";
  space.role = "presentation";
  box.replaceChildren(space);
  box.role = "grid";
  box.ariaMultiSelectable = "true";
  const rows = new Map(); // number of a row → its element
  const spare = [];
  let columns = 1, side = LEAST, active = 0, drawing = 0, resting = 0, pressing = 0, top = 0, wasFast = false;

  const rowCount = () => Math.ceil(listed.count() / columns);
  const pitch = () => side + GAP;

  function measure() {
    const width = box.clientWidth - GAP;
    const fitting = (least) => Math.max(LEAST_COLUMNS, Math.floor(width / (least + GAP)));
    let least = LEAST;
    const cells = () => fitting(least) * (Math.ceil(box.clientHeight / (width / fitting(least))) + 1 + 2 * BEYOND);
    while (cells() > MOST_CELLS && fitting(least) > LEAST_COLUMNS) least += 8;
    columns = fitting(least);
    side = Math.floor(width / columns) - GAP;
    for (const element of [...rows.values(), ...spare]) element.remove();
    rows.clear();
    spare.length = 0;
    box.style.setProperty("--side", `${side}px`);
    box.ariaColCount = String(columns);
    refresh();
  }

  /** Show what is listed now: other cells, or the same with other content. */
  function refresh() {
    active = Math.max(0, Math.min(active, listed.count() - 1));
    space.style.height = `${rowCount() * pitch() + GAP}px`;
    box.ariaRowCount = String(rowCount());
    draw(true);
  }

  function makeRow() {
    const row = document.createElement("div");
    row.role = "row";
    row.className = "cells";
    for (let column = 0; column < columns; column += 1) {
      const cell = document.createElement("div");
      cell.role = "gridcell";
      cell.className = "cell";
      cell.ariaColIndex = String(column + 1);
      cell.append(...listed.make());
      row.append(cell);
    }
    space.append(row);
    return row;
  }

  function place(row, number, isFast) {
    row.style.transform = `translateY(${number * pitch() + GAP}px)`;
    row.ariaRowIndex = String(number + 1);
    row.hidden = false;
    paintRow(row, number, isFast);
  }

  function paintRow(row, number, isFast = false) {
    for (let column = 0; column < columns; column += 1) {
      const cell = row.children[column], at = number * columns + column;
      const isThere = at < listed.count();
      cell.hidden = !isThere;
      cell.dataset.place = at;
      cell.tabIndex = at === active ? 0 : -1;
      if (isThere) listed.paint(cell, at, isFast);
    }
  }

  function draw(all = false) {
    drawing = 0;
    const isFast = Math.abs(box.scrollTop - top) > box.clientHeight; // nobody sees what flies past
    wasFast ||= isFast;
    top = box.scrollTop;
    const first = Math.max(0, Math.floor(box.scrollTop / pitch()) - BEYOND);
    const last = Math.min(rowCount() - 1, Math.floor((box.scrollTop + box.clientHeight) / pitch()) + BEYOND);
    const wanted = new Set();
    for (let number = first; number <= last; number += 1) wanted.add(number);
    if (listed.count()) wanted.add(Math.floor(active / columns)); // whoever is there keeps the focus
    for (const [number, row] of rows) {
      if (wanted.has(number)) continue;
      rows.delete(number);
      spare.push(row);
    }
    for (const number of wanted) {
      const kept = rows.get(number);
      if (kept && all) place(kept, number, isFast);
      if (kept) continue;
      const row = spare.pop() ?? makeRow();
      rows.set(number, row);
      place(row, number, isFast);
    }
    for (const row of spare) row.hidden = true;
    clearTimeout(resting);
    resting = setTimeout(() => rest(first * columns, Math.min(listed.count(), (last + 1) * columns)), all ? 0 : REST);
  }

  function rest(first, end) {
    if (wasFast) repaint();
    wasFast = false;
    listed.rested(first, end);
  }

  /** Show the same cells with what is known of them now. */
  function repaint() {
    for (const [number, row] of rows) paintRow(row, number);
  }

  const cellAt = (at) => rows.get(Math.floor(at / columns))?.children[at % columns];

  /** Make a cell the one that keys are about, and bring it into sight. */
  function go(at, { focus = true } = {}) {
    const before = cellAt(active);
    if (before) before.tabIndex = -1;
    active = Math.max(0, Math.min(at, listed.count() - 1));
    const above = Math.floor(active / columns) * pitch(), bottom = above + pitch() + GAP;
    if (above < box.scrollTop) box.scrollTop = above;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
    draw();
    const cell = cellAt(active);
    if (!cell) return;
    cell.tabIndex = 0;
    if (focus) cell.focus({ preventScroll: true });
  }

  const screen = () => columns * Math.max(1, Math.floor(box.clientHeight / pitch()));
  const STEPS = {
    ArrowLeft: () => active - 1,
    ArrowRight: () => active + 1,
    ArrowUp: () => active - columns,
    ArrowDown: () => Math.min(active + columns, listed.count() - 1),
    PageUp: () => active - screen(),
    PageDown: () => active + screen(),
    Home: (event) => event.ctrlKey ? 0 : active - active % columns,
    End: (event) => event.ctrlKey ? listed.count() - 1 : active - active % columns + columns - 1,
  };

  function onKey(event) {
    const step = STEPS[event.key];
    if (!step || event.altKey || !listed.count() || !event.target.closest(".cell")) return;
    event.preventDefault();
    const to = step(event);
    go(to < 0 && event.key === "ArrowUp" ? active : to);
    heard.moved(active, { extends: event.shiftKey, toggles: false, by: "key" });
  }

  const placeOf = (event) => event.target.closest?.(".cell")?.dataset.place;

  function onPointer(event) {
    clearTimeout(pressing);
    delete box.dataset.pressed; // no click follows a long press everywhere
    const at = placeOf(event);
    if (at === undefined || event.pointerType === "mouse") return;
    pressing = setTimeout(() => { pressing = 0; box.dataset.pressed = "yes"; go(Number(at)); heard.pressed(active); }, LONG_PRESS);
  }

  function onClick(event) {
    const wasPressed = "pressed" in box.dataset;
    delete box.dataset.pressed;
    const at = placeOf(event);
    if (at === undefined || wasPressed) return;
    go(Number(at));
    heard.moved(active, { extends: event.shiftKey, toggles: event.ctrlKey || event.metaKey, by: event.pointerType || "mouse" });
  }

  const onScroll = () => { clearTimeout(pressing); drawing ||= requestAnimationFrame(() => draw()); };
  box.addEventListener("scroll", onScroll, { passive: true });
  box.addEventListener("keydown", onKey);
  box.addEventListener("click", onClick);
  box.addEventListener("pointerdown", onPointer);
  for (const name of ["pointerup", "pointercancel", "pointermove"]) {
    box.addEventListener(name, (event) => { if (name !== "pointermove" || Math.hypot(event.movementX, event.movementY) > 3) clearTimeout(pressing); });
  }
  box.addEventListener("contextmenu", (event) => { if ("pressed" in box.dataset) event.preventDefault(); });
  const sizes = new ResizeObserver(measure);
  sizes.observe(box);

  return {
    refresh,
    go,
    get active() { return active; },
    repaint,
    stop() { sizes.disconnect(); clearTimeout(resting); clearTimeout(pressing); cancelAnimationFrame(drawing); },
  };
}
