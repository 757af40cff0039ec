"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const column = Object.fromEntries(data.columns.map((name, i) => [name, i]));
  const of = (row, name) => {
    const value = row[column[name]];
    return name === "status" ? data.statuses[value] : name === "class" ? data.classes[value] : value;
  };
  const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;
  const clean = (text, most) => {
    const cut = text.length > most ? text.slice(0, most) + "…" : text;
    return cut.replace(hidden, (c) => {
      if (c === "\u200c" || c === "\u200d") return c;
      const hex = c.codePointAt(0).toString(16);
      return hex.length <= 2 ? "\\x" + hex.padStart(2, "0") : "\\u" + hex.padStart(4, "0");
    });
  };
  const seconds = (x) => {
    const a = Math.abs(x), s = x < 0 ? "−" : "";
    if (a < 5e-8) return "0 s";
    if (a < 9.95e-6) return s + (a * 1e6).toFixed(1) + " µs";
    if (a < 9.995e-4) return s + (a * 1e6).toFixed(0) + " µs";
    if (a < 9.95e-3) return s + (a * 1e3).toFixed(1) + " ms";
    if (a < 0.9995) return s + (a * 1e3).toFixed(0) + " ms";
    return s + a.toFixed(a < 9.995 ? 2 : a < 99.95 ? 1 : 0) + " s";
  };
  const percent = (x) => {
    const a = Math.abs(x) * 100, t = a.toFixed(a < 9.95 ? 1 : 0);
    return Number(t) === 0 ? "0 %" : (x < 0 ? "−" : "") + t + " %";
  };
  const signed = (text) => (text.startsWith("−") || /^0 /.test(text) ? text : "+" + text);
  const put = (parent, tag, text) => {
    const child = document.createElement(tag);
    if (text !== undefined) child.textContent = text;
    parent.append(child);
    return child;
  };

  // The hover card: which bar lies under the pointer is looked up in the data, not in the picture.
  const svg = document.querySelector(".gantt"), card = document.getElementById("card");
  const bars = [];
  data.nodes.forEach((row, i) => {
    const start = of(row, "start_s"), plannedAt = of(row, "planned_start_s");
    if (start !== null) bars.push({ i, row: of(row, "lane"), from: start, to: start + of(row, "actual_s"), thick: true });
    if (plannedAt !== null) {
      bars.push({ i, row: of(row, "planned_lane"), from: plannedAt, to: plannedAt + of(row, "planned_s"), thick: !data.ran });
    }
  });
  bars.sort((a, b) => a.from - b.from || a.row - b.row);
  const share = (row, name) => {
    const known = of(row, "gil_s") + of(row, "native_s") + of(row, "blocked_s");
    return known > 0 ? (100 * of(row, name) / known).toFixed(0) + " %" : "–";
  };
  // What was measured in the run, where it was.
  const parts = [
    ["run_gil", "held the GIL"], ["run_native", "native"], ["run_blocked", "blocked"],
    ["run_gil_wait", "waited for the GIL"], ["run_core_wait", "waited for a core"],
  ];
  const measured = "run_gil" in column;
  const ran = (row) => measured && of(row, "run_gil") !== null;
  const spent = (row, name) => of(row, "actual_s") * of(row, name) / 1000;
  const describe = (bar) => {
    const row = data.nodes[bar.i];
    card.replaceChildren();
    put(put(card, "strong"), "bdi", clean(of(row, "name"), 200));
    const list = put(card, "dl");
    const line = (key, value) => { put(list, "dt", key); put(list, "dd", value); };
    const planned = of(row, "planned_s"), start = of(row, "start_s"), status = of(row, "status");
    if (status !== "ok" && status !== "planned") line("status", status);
    if (of(row, "also")) line("ran", of(row, "also"));
    if (of(row, "class")) line("class", of(row, "class"));
    if (start !== null) {
      const actual = of(row, "actual_s");
      const error = planned && status === "ok" ? " (" + signed(percent(actual / planned - 1)) + ")" : "";
      line("actual", seconds(actual) + error);
    }
    if (planned !== null) line("planned", seconds(planned));
    if (start !== null) line("started at", seconds(start));
    if (of(row, "planned_start_s") !== null) line("planned start", seconds(of(row, "planned_start_s")));
    if (bar.thick && ran(row)) {
      for (const [name, words] of parts) {
        if (of(row, name) > 0) line(words, seconds(spent(row, name)) + " (" + percent(of(row, name) / 1000) + ")");
      }
      if (planned !== null) line("slack", seconds(of(row, "slack_s")));
    } else if (planned !== null) {
      line("holds the GIL", share(row, "gil_s"));
      line("native", share(row, "native_s"));
      line("blocked", share(row, "blocked_s"));
      line("slack", seconds(of(row, "slack_s")));
    }
    const path = ["", "of the run", "of the plan", "of run and plan"][of(row, "critical")];
    if (path) line("critical path", path);
  };
  if (svg && data.chart) {
    const c = data.chart, ns = "http://www.w3.org/2000/svg";
    const pick = document.createElementNS(ns, "rect");
    pick.setAttribute("class", "pick");
    pick.setAttribute("visibility", "hidden");
    svg.append(pick);
    const band = (bar) => (bar.thick ? c.thick : c.thin);
    const left = (t) => c.left + t * c.per_s;
    const show = (bar, x, y) => {
      const [top, height] = band(bar);
      pick.setAttribute("x", left(bar.from));
      pick.setAttribute("y", c.top + bar.row * c.pitch + top);
      pick.setAttribute("width", Math.max(1, (bar.to - bar.from) * c.per_s));
      pick.setAttribute("height", height);
      pick.setAttribute("visibility", "visible");
      describe(bar);
      card.hidden = false;
      const box = card.getBoundingClientRect();
      const right = document.documentElement.clientWidth - box.width - 8;
      card.style.left = Math.max(8, Math.min(x + 14, right)) + window.scrollX + "px";
      const below = y + 18 + box.height < window.innerHeight;
      card.style.top = (below ? y + 18 : Math.max(8, y - box.height - 12)) + window.scrollY + "px";
    };
    const hide = () => { card.hidden = true; pick.setAttribute("visibility", "hidden"); };
    const find = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const t = (point.x - c.left) / c.per_s, slop = 1.5 / c.per_s;
      let best = null;
      for (const bar of bars) {
        const y = point.y - c.top - bar.row * c.pitch, [top, height] = band(bar);
        if (y < top || y > top + height || t < bar.from - slop || t > bar.to + slop) continue;
        if (best === null || bar.to - bar.from < best.to - best.from) best = bar;
      }
      return best;
    };
    svg.addEventListener("pointermove", (event) => {
      const bar = find(event);
      if (bar) show(bar, event.clientX, event.clientY); else hide();
    });
    svg.addEventListener("pointerleave", hide);
    // The keyboard walks through the thick bars in the order of their starts.
    const order = bars.filter((bar) => bar.thick);
    let at = -1;
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step || !order.length) return;
      event.preventDefault();
      at = Math.min(order.length - 1, Math.max(0, at + step));
      const bar = order[at], to = new DOMPoint(left(bar.from), c.top + bar.row * c.pitch + band(bar)[0] + band(bar)[1]);
      const seen = to.matrixTransform(svg.getScreenCTM());
      show(bar, seen.x, seen.y);
    });
    svg.addEventListener("blur", hide);
  }

  // The rest of a long table.
  const body = document.querySelector("#nodes tbody");
  if (body && body.rows.length < data.nodes.length) {
    const more = put(body.closest("section"), "button", "show all " + data.nodes.length.toLocaleString("en") + " nodes");
    more.addEventListener("click", () => {
      body.replaceChildren();
      for (const row of data.nodes) {
        const tr = put(body, "tr"), name = put(tr, "th");
        const start = of(row, data.ran ? "start_s" : "planned_start_s"), planned = of(row, "planned_s");
        const lane = of(row, data.ran ? "lane" : "planned_lane");
        const actual = of(row, "actual_s");
        const plain = (x) => (x === null ? "" : seconds(x));
        name.scope = "row";
        put(name, "bdi", clean(of(row, "name"), 120));
        put(tr, "td", of(row, "class"));
        put(tr, "td", lane === null ? "" : lane);
        put(tr, "td", plain(start));
        put(tr, "td", plain(planned));
        put(tr, "td", plain(actual));
        put(tr, "td", planned && actual !== null && of(row, "status") === "ok" ? signed(percent(actual / planned - 1)) : "");
        if (measured) for (const [part] of parts) put(tr, "td", ran(row) ? seconds(spent(row, part)) : "–");
        else for (const part of ["gil_s", "native_s", "blocked_s"]) put(tr, "td", share(row, part));
        put(tr, "td", plain(of(row, "slack_s")));
        const critical = of(row, "critical") & (data.ran ? 1 : 2) ? "★" : "";
        const status = of(row, "status") === "ok" || of(row, "status") === "planned" ? critical : of(row, "status");
        put(tr, "td", [status, of(row, "also")].filter((words) => words).join(" · "));
      }
      more.remove();
      // Only the first sentence speaks of how many are shown.
      const caption = document.querySelector("#nodes caption");
      caption.textContent = caption.textContent.replace(/^[^.]*\./, "All nodes, by start.");
    });
  }
})();
