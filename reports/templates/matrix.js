// SPDX-License-Identifier: GPL-2.0-or-later
"use strict";

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const behaviours = new Map(data.behaviours.map((behaviour) => [behaviour.id, behaviour]));
const idOf = (row) => row.querySelector("b").textContent;
const form = byId("filter");
const details = byId("details");

// ---- the filter ----

const rows = form ? [...document.querySelectorAll("#matrix tbody tr")].map((element) => ({
  element,
  behaviour: behaviours.get(idOf(element)),
  cells: [...element.cells].slice(1).map((cell) => [...cell.classList]),
})) : [];

/** What the text filter looks into: everything that the page can say about a row. */
function words(row) {
  const { id, kind = "", statement, source, documented = "", actual = "", tests } = row.behaviour;
  const said = tests.flatMap((test) => Object.values(data.tests[test]).map((one) => `${one.message ?? ""} ${one.reason ?? ""}`));
  return [id, kind, statement, source, documented, actual, ...tests, ...new Set(said)].join("\n").toLowerCase();
}

/** Whether a behaviour's tests ended otherwise on a kernel than in the earlier run, or than on another kernel. */
function differs({ behaviour }, kernel, from) {
  if (from === "earlier") return kernel.name in behaviour.changed;
  return behaviour.tests.some((test) => data.tests[test][kernel.name]?.status !== data.tests[test][data.kernels[from].name]?.status);
}

function isShown(row, { text, kernel, statuses, from }) {
  const cells = kernel === "" ? row.cells : [row.cells[kernel]];
  const kernels = kernel === "" ? data.kernels : [data.kernels[kernel]];
  if (from !== "" && !kernels.some((one) => differs(row, one, from))) return false;
  if (statuses.size && !cells.some((names) => names.some((name) => statuses.has(name)))) return false;
  return !text || (row.words ??= words(row)).includes(text);
}

function filter() {
  const wanted = {
    text: byId("text").value.trim().toLowerCase(),
    kernel: byId("kernel").value,
    from: byId("differs").value,
    statuses: new Set([...form.querySelectorAll("[name=status]:checked")].map((box) => box.value)),
  };
  const name = byId("interface").value;
  const kind = byId("kind").value;
  let shown = 0;
  const open = new Set();
  for (const row of rows) {
    const section = row.element.closest("section");
    const show = (!name || section.dataset.interface === name) && (!kind || row.behaviour.kind === kind) && isShown(row, wanted);
    row.element.hidden = !show;
    if (show) {
      shown += 1;
      open.add(section);
    }
  }
  for (const section of document.querySelectorAll("#matrix section")) section.hidden = !open.has(section);
  byId("shown").textContent = `${shown} of ${rows.length} behaviours`;
}

// ---- the details of a cell ----

/** What the status of a test is held against: that of the earlier run, and of the kernel that the filter names. */
function beside(name, result, kernel) {
  const other = data.kernels[byId("differs").value];
  const there = other && other !== kernel ? `, ${data.tests[name][other.name]?.status ?? "not run"} on ${other.name}` : "";
  return (result.was ? `, was ${result.was} in ${data.earlier}` : "") + there;
}

function element(name, text = "", attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  made.textContent = text;
  return made;
}

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

function folded(title, text) {
  const made = element("details");
  made.append(element("summary", title), element("pre", text));
  return made;
}

/** Return a paragraph of links, or nothing if there are none. */
function links(title, targets) {
  if (!targets.length) return [];
  const made = element("p", `${title}: `);
  targets.forEach(([text, href], index) => made.append(index ? ", " : "", element("a", text, { href, rel: "noreferrer" })));
  return [made];
}

const described = (url) => /man-pages\/man\d\/(\w+)\.(\d)/.exec(url)?.slice(1, 3).join("(").concat(")") ?? url.split("/").pop();

function describeTest(name, result, kernel) {
  const parts = [
    element("h3", name),
    element("p", `${result.status}${beside(name, result, kernel)}, ${result.seconds} s`),
  ];
  for (const text of [result.reason, result.message]) {
    if (text && !(text === result.message && result.reason?.endsWith(text))) parts.push(element("pre", text));
  }
  if (result.console !== undefined) {
    parts.push(element("p", "The console's last lines:"), element("pre", result.console || "(nothing)"));
  }
  for (const { title, text } of result.evidence ?? []) {
    if (title === "where") parts.push(element("p", `At ${text}`));
    else parts.push(folded(title, text));
  }
  parts.push(element("code", result.rerun ?? `${kernel.command} ${quoted(name)}`));
  return parts;
}

const order = ["panic", "hang", "lost", "fail", "error", "not-run", "xpass", "xfail", "skip", "pass"];

function describe(behaviour, kernel) {
  const results = behaviour.tests
    .filter((name) => data.tests[name][kernel.name])
    .map((name) => [name, data.tests[name][kernel.name]])
    .sort((one, other) => order.indexOf(one[1].status) - order.indexOf(other[1].status));
  const parts = [
    element("button", "Close (Esc)", { onclick: close }),
    element("h2", `${behaviour.id} on ${kernel.name}: ${behaviour.status[kernel.name] ?? "no test"}`, { id: "title", tabIndex: -1 }),
    element("p", behaviour.statement),
    element("small", [behaviour.source, data.kinds[behaviour.kind], behaviour.since && `since ${behaviour.since}`, behaviour.until && `until ${behaviour.until}`, `${kernel.release} (${kernel.accel})`].filter(Boolean).join("; ")),
  ];
  parts.push(...links("Source", behaviour.links.map((url) => [described(url), url])));
  const bad = results.some(([, result]) => ["panic", "hang", "lost", "fail", "error", "xpass"].includes(result.status));
  const fixes = bad ? behaviour.fixed_by ?? [] : [];
  parts.push(...links("You may lack", fixes.map((fix) => [fix, `https://git.kernel.org/linus/${/[0-9a-f]{12,}/.exec(fix)[0]}`])));
  if (behaviour.documented) parts.push(element("p", `Documented: ${behaviour.documented}.`), element("p", `Kernels do: ${behaviour.actual ?? "otherwise"}.`));
  if (behaviour.untested) parts.push(element("p", `Not tested: ${behaviour.untested}`));
  else if (!results.length) parts.push(element("p", "No test of this behaviour was run on this kernel."));
  parts.push(...results.flatMap(([name, result]) => describeTest(name, result, kernel)));
  return parts.concat(links("Console logs", kernel.consoles.map((path) => [path, path.split("/").map(encodeURIComponent).join("/")])));
}

function show(cell) {
  const row = cell.parentElement;
  const kernel = data.kernels[cell.cellIndex - 1];
  const behaviour = behaviours.get(idOf(row));
  if (cell.classList.contains("blank") || !behaviour) return;
  document.querySelector("td.open")?.classList.remove("open");
  cell.classList.add("open");
  focusOn(cell);
  details.replaceChildren(...describe(behaviour, kernel));
  details.scrollTop = 0;
  if (!details.open) details.show();
  byId("title").focus({ preventScroll: true });
  history.replaceState(null, "", `#${encodeURIComponent(behaviour.id)}@${encodeURIComponent(kernel.name)}`);
}

function close() {
  const cell = document.querySelector("td.open");
  cell?.classList.remove("open");
  details.close();
  cell?.focus({ preventScroll: true });
}

/** Open the cell that the address names: #ID@KERNEL. */
function followAddress() {
  const [id, kernel] = location.hash.slice(1).split("@").map(decodeURIComponent);
  const column = data.kernels.findIndex((one) => one.name === kernel);
  const cell = byId(id)?.parentElement.cells[column + 1];
  if (column < 0 || !cell) return;
  cell.scrollIntoView({ block: "center" });
  show(cell);
}

// ---- the keyboard ----

let current = null;

/** One cell at a time can be reached with Tab, the others from there with the arrow keys. */
function focusOn(cell) {
  if (!cell) return;
  current?.removeAttribute("tabindex");
  cell.tabIndex = 0;
  current = cell;
  cell.focus();
}

const visible = (row) => !row.hidden && !row.closest("section").hidden;

function neighbour(cell, key) {
  const row = cell.parentElement;
  const column = cell.cellIndex;
  const last = row.cells.length - 1;
  const sideways = { ArrowLeft: Math.max(1, column - 1), ArrowRight: Math.min(last, column + 1), Home: 1, End: last };
  if (key in sideways) return row.cells[sideways[key]];
  const all = [...document.querySelectorAll("[role=grid] tbody tr")].filter(visible);
  return all[all.indexOf(row) + (key === "ArrowDown" ? 1 : -1)]?.cells[column];
}

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("[role=grid] td");
  if (event.key === "Escape" && details.open) close();
  else if (event.key === "/" && form && !event.target.matches("input, select")) byId("text").focus();
  else if (cell && /^(Arrow|Home|End)/.test(event.key)) focusOn(neighbour(cell, event.key));
  else if (cell && (event.key === "Enter" || event.key === " ")) show(cell);
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const cell = event.target.closest("[role=grid] tbody td");
  if (cell) show(cell);
});

if (form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["input", "change"]) form.addEventListener(kind, filter);
  filter();
  const first = document.querySelector("[role=grid] tbody td:not(.blank)");
  first.tabIndex = 0;
  current = first;
  addEventListener("hashchange", followAddress);
  followAddress();
}
