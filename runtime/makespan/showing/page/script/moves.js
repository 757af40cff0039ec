// Zoom, pointer and keyboard: the same in every Gantt of the page, all of them move together.

const LEAST = 1e-6 * extent;
const look = (from, to) => {
  const wide = Math.max(LEAST, Math.min(whole.to - whole.from, to - from));
  const begin = Math.max(whole.from, Math.min(whole.to - wide, from));
  page.view.from = begin;
  page.view.to = begin + wide;
  redraw();
};
const zoomed = () => page.view.to - page.view.from < (whole.to - whole.from) * 0.9999;
const zoom = (factor, at = (page.view.from + page.view.to) / 2) => {
  const { from, to } = page.view;
  look(at - (at - from) * factor, at + (to - at) * factor);
};
const pan = (share) => look(page.view.from + share * (page.view.to - page.view.from), page.view.to + share * (page.view.to - page.view.from));
const reset = () => look(whole.from, whole.to);
// Bring a moment into sight without changing the scale.
const bring = (from, to) => {
  const wide = page.view.to - page.view.from;
  if (to < page.view.from || from > page.view.to) look((from + to) / 2 - wide / 2, (from + to) / 2 + wide / 2);
};

const PAN = Symbol("pan");
const listen = (chart) => {
  const { svg } = chart;
  let down = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const place = chart.find(event.clientX, event.clientY);
    down = { x: place.x, clientX: event.clientX, how: null, from: page.view.from, shift: event.shiftKey };
    svg.setPointerCapture(event.pointerId);
    svg.focus({ preventScroll: true });
  });
  svg.addEventListener("pointermove", (event) => {
    const place = chart.find(event.clientX, event.clientY);
    if (down && Math.abs(event.clientX - down.clientX) > 4) down.how = down.shift ? PAN : "range";
    if (!down?.how) { hover(chart, place, event.clientX, event.clientY); return; }
    hideCard();
    const { frame } = chart;
    if (down.how === PAN) {
      const wide = page.view.to - page.view.from, from = down.from - ((place.x - down.x) * wide) / (frame.right - frame.left);
      look(from, from + wide);
    } else chart.rubber(down.x, place.x);
  });
  svg.addEventListener("pointerup", (event) => {
    const was = down, place = chart.find(event.clientX, event.clientY);
    down = null;
    chart.rubber();
    if (!was) return;
    if (was.how === "range") {
      const { frame } = chart, inside = (x) => Math.max(frame.left, Math.min(frame.right, x));
      const [a, b] = [frame.t(inside(was.x)), frame.t(inside(place.x))].sort((one, other) => one - other);
      if (b > a) look(a, b);
    } else if (!was.how) {
      if (place.bar) select(place.bar.node.name, chart.run);
      else if (place.band) find(place.band, chart.run);
      else clear();
    }
  });
  svg.addEventListener("pointercancel", () => { down = null; chart.rubber(); });
  svg.addEventListener("pointerleave", () => { if (!down) hideCard(); });
  svg.addEventListener("dblclick", reset);
  svg.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    const ours = event.ctrlKey || event.metaKey || document.activeElement === svg;
    if (sideways) {
      if (!zoomed()) return;
      event.preventDefault();
      pan(((event.deltaX || event.deltaY) / chart.frame.width) * 1.5);
      return;
    }
    // A page that is being read scrolls on: the wheel zooms once the Gantt was clicked, or with Ctrl.
    if (!ours || (event.deltaY > 0 && !zoomed())) return;
    event.preventDefault();
    zoom(Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY / 300))), chart.find(event.clientX, event.clientY).t);
  }, { passive: false });
  svg.addEventListener("keydown", (event) => {
    const act = keys(chart, event);
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  svg.addEventListener("blur", hideCard);
};

const go = (chart, bar) => {
  if (!bar) return;
  chart.at = bar;
  bring(bar.from, bar.to);
  if (due) { cancelAnimationFrame(due); due = 0; for (const one of page.charts) one.draw(); for (const tell of page.told) tell(); }
  const box = chart.boxOf(bar);
  hover(chart, { bar }, Math.max(0, box.x), box.y + box.height);
  say(describe(bar, chart.run).map(([key, value]) => `${key} ${value}`).join(", "));
};
const keys = (chart, event) => {
  const order = chart.run.thick, at = order.indexOf(chart.at), step = (by) => () => go(chart, order[Math.min(order.length - 1, Math.max(0, at + by))]);
  const middle = chart.at && chart.at.to >= page.view.from && chart.at.from <= page.view.to ? (chart.at.from + chart.at.to) / 2 : undefined;
  // Of the next lane that has bars: the one that lies nearest in time.
  const lane = (by) => () => {
    if (!chart.at) return step(1)();
    const rows = chart.run.thickRows;
    for (let row = chart.at.row + by; row >= 0 && row < rows.length; row += by) {
      const from = (bar) => Math.abs((bar.from + bar.to - chart.at.from - chart.at.to) / 2);
      if (rows[row].length) return go(chart, rows[row].reduce((best, bar) => (from(bar) < from(best) ? bar : best)));
    }
  };
  if (event.shiftKey && event.key === "ArrowRight") return () => pan(0.2);
  if (event.shiftKey && event.key === "ArrowLeft") return () => pan(-0.2);
  return {
    ArrowRight: step(1), ArrowLeft: step(-1), Home: () => go(chart, order[0]), End: () => go(chart, order[order.length - 1]),
    ArrowUp: lane(-1), ArrowDown: lane(1),
    "+": () => zoom(1 / 1.5, middle), "=": () => zoom(1 / 1.5, middle), "-": () => zoom(1.5, middle), "−": () => zoom(1.5, middle), 0: reset,
    Enter: () => chart.at && select(chart.at.node.name, chart.run, true), " ": () => chart.at && select(chart.at.node.name, chart.run, true),
    Escape: () => { if (!hideCard() && !clear() && zoomed()) reset(); },
  }[event.key];
};

const say = (text) => { document.getElementById("say").textContent = text; };

// Buttons above the Gantt: which critical path, how far in, and where.
const toolbar = (box) => {
  const paths = runs.some((run) => run.ran && run.nodes.some((node) => node.critical & 2));
  if (paths) {
    const group = put(box, "span", "critical path ", "choice");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "critical path");
    const choices = ["run", "plan", "none"].map((which) => {
      const one = button(group, { run: "of the run", plan: "of the plan", none: "none" }[which], () => {
        page.path = which;
        choices.forEach((other) => other.setAttribute("aria-pressed", other === one));
        redraw();
      });
      one.dataset.path = which;
      one.setAttribute("aria-pressed", which === page.path);
      return one;
    });
  }
  const group = put(box, "span", undefined, "choice");
  for (const [text, title, act] of [["−", "zoom out", () => zoom(1.5)], ["+", "zoom in", () => zoom(1 / 1.5)], ["whole", "show all of it", reset]]) {
    const one = button(group, text, act);
    one.title = title;
    one.setAttribute("aria-label", title);
  }
  if (runs.some((run) => run.bands.length > MOST_BANDS)) {
    const all = button(box, "all locks and groups", () => {
      page.allBands = !page.allBands;
      all.setAttribute("aria-pressed", page.allBands);
      redraw();
    });
    all.setAttribute("aria-pressed", false);
  }
  const where = put(box, "span", undefined, "where");
  const track = put(box, "div", undefined, "track"), thumb = put(track, "div", undefined, "thumb");
  let held = null;
  track.addEventListener("pointerdown", (event) => { held = event.clientX; track.setPointerCapture(event.pointerId); });
  track.addEventListener("pointerup", () => { held = null; });
  track.addEventListener("pointermove", (event) => {
    if (held === null) return;
    const by = ((event.clientX - held) / track.clientWidth) * (whole.to - whole.from);
    held = event.clientX;
    look(page.view.from + by, page.view.to + by);
  });
  page.told.push(() => {
    const { from, to } = page.view, span = whole.to - whole.from;
    where.textContent = zoomed() ? `${seconds(from)} to ${seconds(Math.min(to, extent))} of ${seconds(extent)}`
      : "drag or Ctrl + wheel to zoom · keys + − 0 and arrows · click a bar for more";
    track.classList.toggle("on", zoomed());
    thumb.style.left = (100 * (from - whole.from)) / span + "%";
    thumb.style.width = Math.max(0.5, (100 * (to - from)) / span) + "%";
  });
};
