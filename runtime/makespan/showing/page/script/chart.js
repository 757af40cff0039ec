// A Gantt that is drawn anew for what is in sight: SVG while that is cheap, a canvas behind it above 2,000 bars.

const MOST_SVG = 2000;
const extent = data.extent_s || Math.max(...runs.map((run) => run.extent_s)) || 1;
const whole = { from: 0, to: extent * 1.002, extent };
// What all Gantts of the page share.
const page = { view: { ...whole }, selected: null, found: null, path: "run", allBands: false, charts: [], told: [] };

const makeChart = (run, plot) => {
  const many = run.thick.length + run.thin.length > MOST_SVG;
  const spoken = plot.querySelector("svg")?.getAttribute("aria-label") || plot.dataset.label;
  plot.replaceChildren();
  const canvas = many ? put(plot, "canvas") : null;
  const svg = draw(plot, "svg", { class: "gantt", tabindex: 0, role: "application", "aria-roledescription": "Gantt chart",
    "aria-label": `${spoken} Arrow keys walk through the bars, Enter opens a node, plus, minus and 0 zoom, Escape goes back.` });
  const layer = Object.fromEntries(
    ["axis", "names", "idle", "thin", "thick", "path", "marks", "labels", "bands", "curves", "veil", "pick", "drag"]
      .map((name) => [name, draw(svg, "g", { class: "layer " + name })]),
  );
  layer.thin.classList.add("p");
  const told = put(plot, "figcaption");
  const chart = { run, plot, svg, canvas, frame: null, at: null, ink: null };

  const bandOf = (bar) => (bar.thick ? run.shape.thick : run.shape.thin);
  // The chain that decided the end, or what the plan took for it.
  const drawPath = () => {
    const { frame } = chart, found = { crit: "", pcrit: "", bad: "", link: "" };
    const bit = page.path === "run" && run.ran ? 1 : page.path === "none" ? 0 : 2;
    for (const bar of run.thick) {
      if (bar.node.critical & bit) found.crit += outline(bar, bandOf(bar), frame);
      if (["failed", "timed out", "unfinished"].includes(bar.node.status)) {
        const [y, h] = run.shape.thick;
        found.bad += outline(bar, [y - 2, h + 4], frame);
      }
    }
    if (bit === 2) for (const bar of run.thin) if (bar.node.critical & 2) found.pcrit += outline(bar, bandOf(bar), frame);
    if (bit === 1) {
      const steps = run.chain.map(([name]) => run.names.get(name)).filter((node) => node && node.start !== null);
      const [high, thick] = run.shape.thick, inside = (at) => at >= frame.left && at <= frame.right;
      steps.slice(1).forEach((b, i) => {
        const a = steps[i], down = b.row > a.row;
        const x1 = frame.x(a.start + a.took), x2 = frame.x(b.start);
        if (a.row === b.row || !inside(x1) || !inside(x2)) return;
        const y = (row, low) => frame.top + row * run.shape.pitch + (low ? high + thick : high);
        found.link += `M${px(x1)} ${px(y(a.row, down))}L${px(x2)} ${px(y(b.row, !down))}`;
      });
    }
    layer.path.replaceChildren();
    for (const kind in found) if (found[kind]) draw(layer.path, "path", { class: kind, d: found[kind] });
  };

  const drawIdle = (ink) => {
    const { frame } = chart, [y, h] = run.shape.strip;
    for (const idle of run.idle) {
      const a = Math.max(frame.left, frame.x(idle.from)), b = Math.min(frame.right, frame.x(idle.to));
      if (b - a >= 0.5) ink.box(IDLE[idle.cause], a, frame.top + idle.row * run.shape.pitch + y, b - a, h);
    }
  };

  // What is selected or searched for stands out; the rest lies under a veil.
  const drawVeil = () => {
    const { frame } = chart;
    layer.veil.replaceChildren();
    const chosen = page.selected === null ? undefined : run.names.get(page.selected);
    if (!chosen && !page.found) return;
    const around = new Set(chosen ? [...chosen.inputs, ...chosen.consumers] : []);
    const shown = (bar) => bar.node === chosen || around.has(bar.node.i) || (page.found?.has(bar.node.name) ?? false);
    draw(layer.veil, "rect", { class: "veil", x: frame.left, y: frame.top - 3, width: frame.right - frame.left, height: frame.lanesEnd - frame.top });
    for (const [rows, band, kind] of [[run.thinRows, run.shape.thin, "p"], [run.thickRows, run.shape.thick, ""]]) {
      const ink = makeInk();
      layBars(ink, rows.map((bars) => bars.filter(shown)), band, frame);
      toSvg(draw(layer.veil, "g", { class: kind }), ink);
    }
    if (!chosen) return;
    const mid = (node) => frame.top + (run.ran ? node.row : node.plannedRow) * run.shape.pitch + run.shape.thick[0] + run.shape.thick[1] / 2;
    const begin = (node) => (run.ran ? node.start : node.plannedStart), took = (node) => (run.ran ? node.took : node.planned);
    const wire = (a, b) => {
      if (begin(a) === null || begin(b) === null) return "";
      const clip = (at) => Math.max(frame.left, Math.min(frame.right, at));
      const x1 = clip(frame.x(begin(a) + took(a))), x2 = clip(frame.x(begin(b))), bend = Math.max(8, Math.abs(x2 - x1) / 2);
      return `M${px(x1)} ${px(mid(a))}C${px(x1 + bend)} ${px(mid(a))} ${px(x2 - bend)} ${px(mid(b))} ${px(x2)} ${px(mid(b))}`;
    };
    const bars = new Map([...run.thick].map((bar) => [bar.node.i, bar]));
    const edges = (nodes) => nodes.map((i) => (bars.has(i) ? outline(bars.get(i), run.shape.thick, frame) : "")).join("");
    draw(layer.veil, "path", { class: "input", d: edges(chosen.inputs) });
    draw(layer.veil, "path", { class: "consumer", d: edges(chosen.consumers) });
    draw(layer.veil, "path", { class: "chosen", d: edges([chosen.i]) });
    draw(layer.veil, "path", { class: "wire input", d: chosen.inputs.map((i) => wire(run.nodes[i], chosen)).join("") });
    draw(layer.veil, "path", { class: "wire", d: chosen.consumers.map((i) => wire(chosen, run.nodes[i])).join("") });
  };

  chart.draw = () => {
    const width = Math.max(300, plot.clientWidth);
    const frame = (chart.frame = makeFrame(run, width, page.view, page.allBands));
    frame.many = many;
    svg.setAttribute("viewBox", `0 0 ${width} ${px(frame.height)}`);
    svg.setAttribute("height", px(frame.height));
    drawAxis(layer.axis, frame);
    drawNames(layer.names, frame);
    const idle = makeInk(), thin = makeInk(), thick = makeInk();
    drawIdle(idle);
    const shared = layBars(thin, run.thinRows, run.shape.thin, frame) + layBars(thick, run.thickRows, run.shape.thick, frame);
    told.textContent = [
      shared && `${thousands(shared)} bars thinner than a pixel are drawn together with their neighbours: zoom in to part them.`,
      run.averaged_s && `The curves are means over ${seconds(run.averaged_s)} each.`,
    ].filter(Boolean).join(" ");
    chart.ink = { idle, thin, thick };
    if (many) paint(plot); else [["idle", idle], ["thin", thin], ["thick", thick]].forEach(([name, ink]) => toSvg(layer[name], ink));
    drawPath();
    drawLabels(layer.labels, frame);
    drawBands(layer.bands, frame);
    drawCurves(layer.curves, frame);
    drawMarks(layer.marks, frame);
    drawVeil();
    chart.point(null);
  };

  let image = null;
  const paint = (probe) => {
    const scale = Math.min(2, window.devicePixelRatio || 1), { frame } = chart;
    const width = Math.round(frame.width * scale), height = Math.ceil(frame.lanesEnd * scale), pen = canvas.getContext("2d");
    if (image?.width !== width || image.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = "100%";
      image = new ImageData(width, height);
    }
    const pixels = new Uint32Array(image.data.buffer), colours = palette(probe, scale, false), lines = makeInk();
    pixels.fill(0);
    gridInk(lines, frame);
    for (const ink of [lines, chart.ink.idle]) toPixels(pixels, width, ink, colours, scale);
    toPixels(pixels, width, chart.ink.thin, palette(probe, scale, true), scale);
    toPixels(pixels, width, chart.ink.thick, colours, scale);
    pen.putImageData(image, 0, 0);
  };
  chart.repaint = (probe) => { if (many && chart.ink) paint(probe); };

  // What lies at a place of the screen: a bar, a stretch of idle time, a lock or group.
  chart.find = (clientX, clientY) => {
    const box = svg.getBoundingClientRect(), { frame } = chart;
    const x = ((clientX - box.left) * frame.width) / box.width, y = ((clientY - box.top) * frame.width) / box.width;
    const t = frame.t(x), slop = 1.5 * (frame.t(1) - frame.t(0));
    if (x < frame.left - 2 || x > frame.right + 2) return { t, x };
    if (y > frame.bandsTop) return { t, x, band: frame.bands[Math.floor((y - frame.bandsTop) / BAND)] };
    const row = Math.floor((y - frame.top) / run.shape.pitch), within = y - frame.top - row * run.shape.pitch;
    const near = ([top, height]) => within >= top - 1 && within <= top + height + 1;
    let best;
    for (const [rows, band] of [[run.thickRows, run.shape.thick], [run.thinRows, run.shape.thin]]) {
      if (!near(band)) continue;
      for (const bar of rows[row] || []) {
        if (t < bar.from - slop || t > bar.to + slop) continue;
        if (!best || bar.to - bar.from < best.to - best.from) best = bar;
      }
      if (best) break;
    }
    if (best) return { t, x, bar: best };
    if (near(run.shape.thick)) return { t, x, idle: run.idle.find((idle) => idle.row === row && idle.from <= t && t <= idle.to) };
    return { t, x };
  };

  chart.boxOf = (bar) => {
    const { frame } = chart, box = svg.getBoundingClientRect(), scale = box.width / frame.width, [top, height] = bandOf(bar);
    const a = frame.x(bar.from), b = frame.x(bar.to), y = frame.top + bar.row * run.shape.pitch + top;
    return { x: box.left + a * scale, y: box.top + y * scale, width: (b - a) * scale, height: height * scale };
  };

  // Outline what the pointer or the keyboard is at.
  chart.point = (bar) => {
    layer.pick.replaceChildren();
    const path = bar && outline(bar, bandOf(bar), chart.frame);
    if (path) draw(layer.pick, "path", { class: "pick", d: path });
  };

  chart.rubber = (from, to) => {
    layer.drag.replaceChildren();
    if (from === undefined) return;
    const { frame } = chart, a = Math.max(frame.left, Math.min(from, to)), b = Math.min(frame.right, Math.max(from, to));
    draw(layer.drag, "rect", { class: "rubber", x: a, y: frame.top - 6, width: Math.max(0, b - a), height: frame.height - frame.top });
    label(layer.drag, (a + b) / 2, frame.top - 8, seconds(frame.t(b) - frame.t(a)), "halo", "middle");
  };
  plot.gantt = chart;
  return chart;
};

const IDLE = { inputs: "i0", lock: "i1", GIL: "i2", budget: "i3", "nothing left": "i4" };
const IDLE_OF = { inputs: "waits for", lock: "waits for", GIL: "kept back", budget: "ready", "nothing left": "after" };
const IDLE_WORDS = {
  inputs: "what is left waits for results", lock: "what is left waits for a lock or group",
  GIL: "nodes are kept back so that the GIL is not fought for", budget: "a node was ready, no worker took it yet",
  "nothing left": "nothing is left to do",
};

let due = 0;
const redraw = () => {
  if (due) return;
  due = requestAnimationFrame(() => {
    due = 0;
    for (const chart of page.charts) chart.draw();
    for (const tell of page.told) tell();
  });
};
