// A table that is sorted by a click on its heads and searched; long ones are written in part, and say so.

const MOST_ROWS = 200;

// columns: {head, text(row), by(row)} by what is sorted: a number or words; empty values go last, always.
const makeTable = (section, rows, columns, { nameOf, note, noun, found }) => {
  const table = section.querySelector("table"), body = table.tBodies[0], caption = table.caption;
  let order = rows.slice(), sorted = null, down = false, most = MOST_ROWS, words = "";
  const tools = document.createElement("div");
  tools.className = "tools";
  section.querySelector(".wide").before(tools);
  const box = put(tools, "input");
  box.type = "search";
  box.placeholder = "search names, classes, statuses";
  box.setAttribute("aria-label", "search the table of nodes");
  const count = put(tools, "span", undefined, "away");
  count.setAttribute("role", "status");
  const more = button(tools, "", () => { most = most === MOST_ROWS ? Infinity : MOST_ROWS; write(); });

  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((th, k) => {
    const column = columns[k], text = th.textContent;
    if (!column?.by) return;
    th.textContent = "";
    const one = button(th, text || column.head, () => {
      down = sorted === column ? !down : typeof column.by(rows[0]) === "number" && k > 0;
      if (sorted === column && down === column.first) { sorted = null; down = false; } else {
        if (sorted !== column) column.first = down;
        sorted = column;
      }
      write();
    }, "sort");
    one.title = "sort by " + (text || column.head);
    if (!text) one.classList.add("bare");
  });

  const arrange = () => {
    const lower = words.toLowerCase();
    order = lower ? rows.filter((row) => row.search.includes(lower)) : rows.slice();
    if (!sorted) return;
    const values = new Map(order.map((row) => [row, sorted.by(row)])), sign = down ? -1 : 1;
    const none = (value) => value === null || value === "" || value === undefined;
    order.sort((a, b) => {
      const x = values.get(a), y = values.get(b);
      if (none(x) || none(y)) return none(x) - none(y);
      return sign * (typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true }));
    });
  };

  const write = () => {
    arrange();
    const some = order.slice(0, most), rowsOf = document.createDocumentFragment();
    for (const row of some) {
      const tr = put(rowsOf, "tr"), head = put(tr, "th");
      head.scope = "row";
      const name = button(head, undefined, () => { select(nameOf(row), null, true); document.querySelector("#panel").scrollIntoView({ block: "nearest" }); }, "name");
      put(name, "bdi", clean(nameOf(row), 120));
      columns.slice(1).forEach((column) => put(tr, "td", column.text(row), column.kind));
    }
    body.replaceChildren(rowsOf);
    heads.forEach((th, k) => {
      if (columns[k] === sorted) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
    const by = sorted ? `by ${sorted.head}${down ? ", largest first" : ""}` : note.order;
    caption.textContent = (words ? `${plural(order.length, noun)} of ${thousands(rows.length)} with “${clean(words, 60)}”, ${by}.`
      : `All ${noun}s, ${by}.`) + (some.length < order.length ? ` The first ${thousands(some.length)} of ${thousands(order.length)} are shown.` : "") + note.more;
    count.textContent = `${thousands(some.length)} of ${plural(rows.length, noun)} shown`;
    more.hidden = order.length <= MOST_ROWS;
    more.textContent = some.length < order.length ? `show all ${thousands(order.length)} ${noun}s` : `show the first ${MOST_ROWS}`;
  };

  let later = 0;
  box.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => {
      words = box.value.trim();
      most = MOST_ROWS;
      write();
      found(words ? new Set(order.map(nameOf)) : null);
    }, rows.length > 2000 ? 120 : 0);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.value) return;
    box.value = "";
    box.dispatchEvent(new Event("input"));
  });
  write();
};

const markFound = (names) => {
  page.found = names;
  if (names) { page.selected = null; panel.hidden = true; }
  redraw();
};

const time = (value) => (value === null ? "" : seconds(value));
const nodesTable = (section, run) => {
  const planned = (node) => node.status === "planned";
  const start = (node) => (planned(node) ? node.plannedStart : node.start), lane = (node) => (planned(node) ? node.plannedRow : node.row);
  const error = (node) => (node.planned && node.took !== null && node.status === "ok" ? node.took / node.planned - 1 : null);
  const measured = data.columns.includes("run_gil");
  const parts = measured
    ? ["GIL", "native", "blocked", "GIL wait", "core wait"].map((head, k) => ({
      head, by: (node) => (node.ran ? node.took * node.ran[k] : null), text: (node) => (node.ran ? seconds(node.took * node.ran[k]) : "–"),
    }))
    : ["GIL", "native", "blocked"].map((head, k) => {
      const share = (node) => profiled(node, 0)?.[k] ?? null;
      return { head, by: share, text: (node) => (share(node) === null ? "–" : (100 * share(node)).toFixed(0) + " %") };
    });
  const told = (node) => {
    const mark = node.critical & (planned(node) ? 2 : 1) ? "★" : "";
    return [node.status === "ok" || planned(node) ? mark : node.status, node.also].filter((words) => words).join(" · ");
  };
  for (const node of run.nodes) node.search = [node.name, node.kind, node.status, node.also, ...node.locks, ...node.groups].join("\n").toLowerCase();
  makeTable(section, run.nodes, [
    { head: "node", by: (node) => node.name },
    { head: "class", by: (node) => node.kind, text: (node) => clean(node.kind, 20) },
    { head: "lane", by: lane, text: (node) => (lane(node) === null ? "" : clean(run.lanes[lane(node)][0], 20)) },
    { head: "start", by: start, text: (node) => time(start(node)) },
    { head: "planned", by: (node) => node.planned, text: (node) => time(node.planned) },
    { head: "actual", by: (node) => node.took, text: (node) => time(node.took) },
    { head: "error", by: error, text: (node) => (error(node) === null ? "" : signed(percent(error(node)))) },
    ...parts,
    { head: "slack", by: (node) => node.slack, text: (node) => time(node.slack) },
    { head: "status", by: told, text: told },
  ], {
    nameOf: (node) => node.name, noun: "node", found: markFound,
    note: { order: "by start", more: measured ? " GIL to core wait: seconds measured in this run." : "" },
  });
};

const pairTable = (section) => {
  const rows = data.nodes.map((row) => {
    const one = Object.fromEntries(data.columns.map((name, i) => [name, row[i]]));
    one.a_status = data.statuses[one.a_status];
    one.b_status = data.statuses[one.b_status];
    one.more = one.a_s === null || one.b_s === null ? null : one.b_s - one.a_s;
    one.later = one.a_start_s === null || one.b_start_s === null ? null : one.b_start_s - one.a_start_s;
    one.said = sentence(data, one.why);
    one.search = [one.name, one.a_status, one.b_status, one.said].join("\n").toLowerCase();
    return one;
  });
  const size = (value) => (value === null ? null : Math.abs(value));
  makeTable(section, rows, [
    { head: "node", by: (row) => row.name },
    { head: "a", by: (row) => row.a_s, text: (row) => side(row.a_s, row.a_status) },
    { head: "b", by: (row) => row.b_s, text: (row) => side(row.b_s, row.b_status) },
    { head: "size of the difference", by: (row) => size(row.more), text: (row) => (row.more === null ? "" : signed(seconds(row.more))) },
    { head: "%", by: (row) => (row.more === null || !row.a_s ? null : row.more / row.a_s), text: (row) => (row.more === null || !row.a_s ? "" : signed(percent(row.more / row.a_s))) },
    { head: "starts later by", by: (row) => row.later, text: (row) => (row.later === null ? "" : signed(seconds(row.later))) },
    { head: "critical", by: (row) => ["", "a", "b", "a, b"][row.critical], text: (row) => ["", "★ a", "★ b", "★ a, b"][row.critical] },
    { head: "why", by: (row) => row.said, text: (row) => clean(row.said, 300), kind: "w" },
  ], { nameOf: (row) => row.name, noun: "node", found: markFound, note: { order: "those on the critical chain first, each by the size of the difference", more: "" } });
};
const side = (value, status) => (value === null ? status || "–" : seconds(value) + (status && status !== "ok" && status !== "planned" ? ` (${status})` : ""));
