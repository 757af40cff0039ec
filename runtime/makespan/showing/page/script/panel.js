// What is told of one bar: a card beside the pointer, and a panel below the Gantt that stays.

const card = document.getElementById("card");
const hideCard = () => {
  const was = !card.hidden;
  card.hidden = true;
  for (const chart of page.charts) chart.point(null);
  return was;
};

// Pairs of label and words.
const describe = (bar, run) => {
  const { node } = bar, found = [], line = (key, value) => found.push([key, value]);
  line("node", clean(node.name));
  if (node.status !== "ok" && node.status !== "planned") line("status", node.status);
  if (node.also) line("ran", node.also);
  if (node.kind) line("class", node.kind);
  if (node.start !== null) line("actual", seconds(node.took) + off(node));
  if (node.planned !== null) line("planned", seconds(node.planned));
  if (node.start !== null) line("started at", seconds(node.start));
  if (node.plannedStart !== null) line("planned start", seconds(node.plannedStart));
  if (bar.thick && node.ran) {
    PARTS.forEach((words, k) => { if (node.ran[k] > 0) line(words, `${seconds(node.took * node.ran[k])} (${percent(node.ran[k])})`); });
  } else if (node.planned !== null) {
    const mix = profiled(node, 0);
    ["holds the GIL", "native", "blocked"].forEach((words, k) => line(words, mix ? (100 * mix[k]).toFixed(0) + " %" : "–"));
  }
  if (node.slack !== null) line("slack", seconds(node.slack));
  const path = ["", "of the run", "of the plan", "of run and plan"][node.critical];
  if (path) line("critical path", path);
  return found;
};
const off = (node) => (node.planned && node.status === "ok" && node.took !== null ? ` (${signed(percent(node.took / node.planned - 1))})` : "");

const hover = (chart, place, x, y) => {
  const { bar, idle, band } = place;
  for (const other of page.charts) other.point(other === chart ? bar : null);
  chart.svg.classList.toggle("over", Boolean(bar || band));
  if (!bar && !idle && !band) { card.hidden = true; return; }
  card.replaceChildren();
  const [[, title], ...lines] = bar ? describe(bar, chart.run)
    : idle ? [["", `idle ${seconds(idle.to - idle.from)}`], ["why", IDLE_WORDS[idle.cause]], ...(idle.of ? [[IDLE_OF[idle.cause], clean(idle.of, 60)]] : []), ["from", seconds(idle.from)]]
      : [["", clean(bandName(band))], ["at once", String(band.limit)], ["nodes", thousands(band.spans.length)], ["held", seconds(band.held)]];
  put(put(card, "strong"), "bdi", title);
  const list = put(card, "dl");
  for (const [key, value] of lines) { put(list, "dt", key); put(list, "dd", value); }
  card.hidden = false;
  const box = card.getBoundingClientRect(), right = document.documentElement.clientWidth - box.width - 8;
  card.style.left = Math.max(8, Math.min(x + 14, right)) + window.scrollX + "px";
  const below = y + 18 + box.height < window.innerHeight;
  card.style.top = (below ? y + 18 : Math.max(8, y - box.height - 12)) + window.scrollY + "px";
};

const select = (name, run, focus) => {
  page.selected = name;
  page.found = null;
  hideCard();
  openPanel(name, run || runs.find((one) => one.names.has(name)), focus);
  redraw();
};
// The nodes that hold a lock, or are in a group.
const find = (band, run) => {
  const spans = new Set(band.spans.map(([from, , row]) => `${row} ${from}`));
  const at = run.ran ? (node) => `${node.row} ${node.start}` : (node) => `${node.plannedRow} ${node.plannedStart}`;
  page.selected = null;
  panel.hidden = true;
  page.found = new Set(run.nodes.filter((node) => spans.has(at(node)) || node.groups.includes(band.name) || node.locks.includes(band.name)).map((node) => node.name));
  redraw();
};
const clear = () => {
  const was = page.selected !== null || page.found !== null;
  page.selected = page.found = null;
  panel.hidden = true;
  if (was) redraw();
  return was;
};

const panel = document.getElementById("panel");
const MOST_AROUND = 24;
const openPanel = (name, run, focus) => {
  panel.replaceChildren();
  panel.hidden = false;
  const head = put(panel, "div", undefined, "head"), title = put(head, "h2");
  put(title, "bdi", clean(name, 300));
  const close = button(head, "close", () => { clear(); page.charts[0].svg.focus(); });
  const sides = data.runs ? runs.filter((one) => one.names.has(name)) : [run];
  for (const side of sides) {
    if (data.runs) {
      const letter = "ab"[runs.indexOf(side)], label = clean(data.labels[runs.indexOf(side)], 80);
      put(panel, "h3", label === letter ? letter : `${letter}: ${label}`);
    }
    tellNode(put(panel, "div", undefined, "parts"), side.names.get(name), side);
  }
  if (focus) close.focus();
};

const tellNode = (box, node, run) => {
  const facts = (title, lines) => {
    const found = lines.filter(([, value]) => value !== "" && value !== null && value !== undefined);
    if (!found.length) return;
    const part = put(box, "div");
    put(part, "h4", title);
    const list = put(part, "dl");
    for (const [key, value] of found) { put(list, "dt", key); put(list, "dd", value); }
  };
  const plain = (value) => (value === null ? "" : seconds(value));
  const lane = (row) => (row === null ? "" : clean(run.lanes[row][0], 40));
  facts("Times", [
    ["status", node.status === "ok" || node.status === "planned" ? "" : node.status],
    ["actual", node.took === null ? "" : seconds(node.took) + off(node)], ["planned", plain(node.planned)],
    ["started at", plain(node.start)], ["planned start", plain(node.plannedStart)],
    ["lane", lane(node.row)], ["planned lane", node.plannedRow === node.row ? "" : lane(node.plannedRow)],
    ["ran", node.also], ["slack", plain(node.slack)],
    ["critical path", ["", "of the run", "of the plan", "of run and plan"][node.critical]],
  ]);
  if (node.ran) facts("Measured in this run", PARTS.map((words, k) => [words, `${seconds(node.took * node.ran[k])} (${percent(node.ran[k])})`]));
  const mix = profiled(node, 0), pairs = [];
  for (let i = 0; i + 1 < node.profile.length; i += 2) pairs.push([clean(node.profile[i], 60), clean(node.profile[i + 1], 200)]);
  facts("Profile: alone", pairs.length ? pairs : [
    ["class", node.kind], ["holds the GIL", mix && `${seconds(node.gil)} (${percent(mix[0])})`],
    ["native", mix && `${seconds(node.native)} (${percent(mix[1])})`], ["blocked", mix && `${seconds(node.blocked)} (${percent(mix[2])})`],
  ]);
  const why = put(box, "div", undefined, "why");
  put(why, "h4", "Why it runs there and then");
  if (node.why) put(why, "p", clean(node.why, 2000));
  const list = put(why, "dl");
  for (const [key, value] of [["rank", node.rank === null ? "" : String(node.rank)], ["mode", node.mode],
    ["locks", node.locks.map((name) => clean(name, 60)).join(", ")], ["groups", node.groups.map((name) => clean(name, 60)).join(", ")]]) {
    if (value) { put(list, "dt", key); put(list, "dd", value); }
  }
  if (!why.querySelector("p, dd")) why.remove();
  around(box, "Inputs", "input", node.inputs, run);
  around(box, "Consumers", "consumer", node.consumers, run);
};

const around = (box, title, kind, places, run) => {
  const part = put(box, "div", undefined, "around " + kind);
  put(part, "h4", `${title} (${thousands(places.length)})`);
  if (!places.length) put(part, "p", kind === "input" ? "waits for no other node" : "no node waits for it", "quiet");
  const list = put(part, "ul");
  const add = (some) => some.forEach((i) => {
    const other = run.nodes[i], took = run.ran ? other.took : other.planned, item = put(list, "li");
    put(button(item, undefined, () => select(other.name, run, true), "name"), "bdi", clean(other.name, 60));
    put(item, "span", took === null ? " " + other.status : " " + seconds(took), "quiet");
  });
  add(places.slice(0, MOST_AROUND));
  const left = places.slice(MOST_AROUND);
  if (left.length) {
    const more = button(part, `${thousands(left.length)} more`, () => { add(left); more.remove(); });
  }
};
