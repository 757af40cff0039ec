// Words and numbers as the page writes them, and the data of the page as objects.

const data = JSON.parse(document.getElementById("data").textContent);

const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;
const clean = (text, most = 200) => {
  const cut = text.length > most ? text.slice(0, most - 1) + "…" : text;
  return cut.replace(hidden, (c) => {
    if (c === "\u200c" || c === "\u200d") return c;
    const hex = c.codePointAt(0).toString(16);
    return hex.length <= 2 ? "\\x" + hex.padStart(2, "0") : "\\u" + hex.padStart(4, "0");
  });
};
// Made once: to make one costs more than to use it a hundred times.
const figures = [0, 1, 2].map((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const thousands = (x) => figures[0].format(x);
const plural = (n, noun) => thousands(n) + " " + noun + (n === 1 ? "" : "s");
const seconds = (x) => {
  const a = Math.abs(x), s = x < 0 ? "−" : "";
  if (a < 5e-8) return "0 s";
  if (a < 9.95e-6) return s + (a * 1e6).toFixed(1) + " µs";
  if (a < 9.995e-4) return s + (a * 1e6).toFixed(0) + " µs";
  if (a < 9.95e-3) return s + (a * 1e3).toFixed(1) + " ms";
  if (a < 0.9995) return s + (a * 1e3).toFixed(0) + " ms";
  return s + figures[a < 9.995 ? 2 : a < 99.95 ? 1 : 0].format(a) + " s";
};
const percent = (x) => {
  const a = Math.abs(x) * 100, digits = a < 9.95 ? 1 : 0;
  return Number(a.toFixed(digits)) === 0 ? "0 %" : (x < 0 ? "−" : "") + figures[digits].format(a) + " %";
};
const signed = (text) => (text.startsWith("−") || /^0 /.test(text) ? text : "+" + text);
// How many columns a name takes: wide characters take two.
const columns = (text) => (/^[\x20-\x7e…]*$/.test(text) ? text.length
  : [...text].reduce((sum, c) => sum + (/\p{M}/u.test(c) ? 0 : /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u.test(c) ? 2 : 1), 0));

const put = (parent, tag, text, kind) => {
  const child = document.createElement(tag);
  if (text !== undefined) child.textContent = text;
  if (kind) child.className = kind;
  parent.append(child);
  return child;
};
const draw = (parent, tag, known, text) => {
  const child = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const key in known) child.setAttribute(key, known[key]);
  if (text !== undefined) child.textContent = text;
  parent.append(child);
  return child;
};
const button = (parent, text, act, kind) => {
  const child = put(parent, "button", text, kind);
  child.type = "button";
  child.addEventListener("click", act);
  return child;
};

// What fills a bar, from the bottom, as classes of the style sheet.
const FILLS = ["g", "n", "b", "w", "d", "l"];
const NOISE = 0.03;
const profiled = (node, took) => {
  const known = node.gil + node.native + node.blocked;
  if (!(known > 0)) return null;
  let longer = Math.max(0, took - known);
  if (longer < NOISE * took) longer = 0;
  const whole = known + longer;
  return [node.gil / whole, node.native / whole, node.blocked / whole, 0, 0, longer / whole];
};

// Sentences stand in the data as a mould and what fills its gaps: numbers, words, [places of texts], nodes as -1 - their place.
const sentence = (source, short) => {
  if (!short) return "";
  let at = 0;
  return source.sentences[short[0]].replace(/\0/g, () => {
    const word = short[++at];
    return Array.isArray(word) ? source.texts[word[0]] : word < 0 ? source.nodes[-1 - word][0] : word;
  });
};

// A run (or a plan) with its nodes and bars as objects.
const readRun = (source) => {
  const at = Object.fromEntries(source.columns.map((name, i) => [name, i]));
  const run = { ...source, names: new Map() };
  const words = (places) => (places || []).map((place) => source.words[place]);
  run.nodes = source.nodes.map((row, i) => {
    const of = (name) => (name in at ? row[at[name]] : null);
    const node = {
      i, name: of("name"), status: source.statuses[of("status")], kind: source.classes[of("class")],
      row: of("lane"), start: of("start_s"), took: of("actual_s"),
      plannedRow: of("planned_lane"), plannedStart: of("planned_start_s"), planned: of("planned_s"),
      gil: of("gil_s"), native: of("native_s"), blocked: of("blocked_s"), slack: of("slack_s"),
      critical: of("critical"), inputs: of("inputs"), consumers: [], rank: of("rank"),
      also: of("also") || "", mode: words(of("mode")).join(),
      locks: words(of("locks")), groups: words(of("groups")), why: sentence(source, of("why")),
      profile: of("profile") ? sentence(source, of("profile")).split("\t") : [],
      ran: null,
    };
    if (of("run_gil") !== null) {
      node.ran = ["run_gil", "run_native", "run_blocked", "run_gil_wait", "run_core_wait"].map((name) => of(name) / 1000);
    }
    run.names.set(node.name, node);
    return node;
  });
  for (const node of run.nodes) for (const i of node.inputs) run.nodes[i].consumers.push(node.i);
  run.thick = [];
  run.thin = [];
  for (const node of run.nodes) {
    if (node.start !== null) {
      const shares = node.ran ? [...node.ran, 0] : profiled(node, node.took);
      run.thick.push({ node, row: node.row, from: node.start, to: node.start + node.took, shares, thick: true });
    }
    if (node.plannedStart !== null) {
      const to = node.plannedStart + node.planned;
      const bar = { node, row: node.plannedRow, from: node.plannedStart, to, shares: profiled(node, node.planned), thick: !run.ran };
      (run.ran ? run.thin : run.thick).push(bar);
    }
  }
  const byRow = (bars) => {
    const rows = run.lanes.map(() => []);
    bars.sort((a, b) => a.from - b.from || a.to - b.to);
    for (const bar of bars) rows[bar.row].push(bar);
    return rows;
  };
  run.thickRows = byRow(run.thick);
  run.thinRows = byRow(run.thin);
  run.idle = source.idle.map(([row, from, took, cause, of]) => ({
    row, from, to: from + took, cause: source.causes[cause], of: typeof of === "number" ? run.nodes[of].name : of,
  }));
  run.bands = source.bands.map(([name, kind, limit, spans]) => ({
    name, kind, limit, spans, held: spans.reduce((sum, span) => sum + span[1] - span[0], 0),
  }));
  return run;
};
const PARTS = ["held the GIL", "native", "blocked", "waited for the GIL", "waited for a core"];
const runs = (data.runs || [data]).map(readRun);
