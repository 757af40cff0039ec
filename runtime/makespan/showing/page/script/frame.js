// What stands around the bars: axis, names of lanes, bound and planned end, locks and groups, curves.

const COLUMN = 6.6, LABEL_ROW = 15, TICKS = 20, BAND = 14, BAND_GAP = 10, CURVE = 46, CURVE_GAP = 26, MOST_BANDS = 8;

// Round moments in sight; the last label says the unit.
const ticks = (from, to, extent, most) => {
  const [unit, factor] = extent >= 1 || extent <= 0 ? ["s", 1] : extent >= 1e-3 ? ["ms", 1e3] : ["µs", 1e6];
  const raw = ((to - from) * factor) / most;
  if (!(raw > 0)) return [[0, "0 s"]];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= raw * (1 - 1e-9));
  const digits = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))), found = [];
  const last = Math.floor((to * factor) / step + 1e-9);
  for (let i = Math.ceil((from * factor) / step - 1e-9); i <= last; i++) {
    found.push([(i * step) / factor, (i ? (i * step).toFixed(digits) : "0") + (i === last ? " " + unit : "")]);
  }
  return found;
};

// Bound and planned end, each label in the lowest row in which it touches no other.
const verticals = (run, width, x, left) => {
  const lines = [];
  if (run.bound_s) lines.push([run.bound_s, `lower bound ${seconds(run.bound_s)} (${clean(run.binding, 30)})`, "mark dash"]);
  if (run.planned_s) lines.push([run.planned_s, `planned end ${seconds(run.planned_s)}`, "mark"]);
  const placed = [];
  for (const [moment, words, kind] of lines) {
    const at = x(moment), wide = words.length * COLUMN + 12;
    if (at < left || at > width) continue;
    const right = at + wide <= width, from = right ? at : at - wide;
    let row = 0;
    while (placed.some((other) => other.row === row && from < other.to && other.from < from + wide)) row++;
    placed.push({ at, words, kind, side: right ? "start" : "end", from, to: from + wide, row });
  }
  return placed;
};

const makeFrame = (run, width, view, allBands) => {
  const narrow = width < 700, left = narrow ? 78 : 104, right = width - 14;
  const x = (t) => left + ((t - view.from) * (right - left)) / (view.to - view.from);
  // The rows of labels are those of the whole run, so that nothing jumps while zooming.
  const whole = (t) => left + (t * (right - left)) / view.extent;
  const space = LABEL_ROW * (1 + Math.max(-1, ...verticals(run, width, whole, 0).map((one) => one.row)));
  const shape = run.shape, top = space + TICKS + 6;
  const lanesEnd = top + shape.pitch * Math.max(1, run.lanes.length);
  const longest = run.bands.map((band, i) => [band.held, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  const bands = allBands ? run.bands : longest.slice(0, MOST_BANDS).map((one) => one[1]).sort((a, b) => a - b).map((i) => run.bands[i]);
  const bandsTop = lanesEnd + BAND_GAP;
  const told = bands.length < run.bands.length ? 1 : 0;
  const bottom = run.bands.length ? bandsTop + BAND * (bands.length + told) : lanesEnd;
  const curves = run.cores_used.length ? 1 + (run.gil_demand.length > 0 || run.gil ? 1 : 0) : 0;
  const height = bottom + (curves ? 18 + curves * (CURVE + CURVE_GAP) - CURVE_GAP + 10 : 6);
  return {
    run, width, narrow, left, right, x, shape, space, top, lanesEnd, bands, bandsTop, bottom, height, view,
    t: (at) => view.from + ((at - left) * (view.to - view.from)) / (right - left),
  };
};

const label = (parent, at, y, words, kind, anchor) =>
  draw(parent, "text", { x: px(at), y: px(y), ...(kind && { class: kind }), ...(anchor && { "text-anchor": anchor }) }, words);

const ticksOf = ({ view, left, right }) => ticks(view.from, view.to, view.extent, Math.max(3, Math.min(10, (right - left) / 80)));
// Lines behind bars that lie on a canvas.
const gridInk = (ink, frame) => {
  for (const [t] of ticksOf(frame)) ink.box("line", frame.x(t) - 0.5, frame.top - 5, 1, frame.lanesEnd - frame.top + 5);
};
const drawAxis = (group, frame) => {
  const { x, left, right, top, height } = frame;
  const places = ticksOf(frame);
  const from = frame.many ? frame.lanesEnd : top - 5;
  group.replaceChildren();
  draw(group, "path", { class: "grid", d: places.map(([t]) => `M${px(x(t))} ${px(from)}V${px(height - 4)}`).join("") });
  places.forEach(([t, words], i) => {
    const at = x(t);
    label(group, at, frame.space + 12, words, "q", at > right - 4 && i ? "end" : at < left + 4 && t > 0 ? "start" : "middle");
  });
};

const drawNames = (group, frame) => {
  const { run, shape, narrow } = frame;
  group.replaceChildren();
  const most = narrow ? 11 : 15;
  run.lanes.forEach(([name, kind, busy], row) => {
    const y = frame.top + row * shape.pitch;
    if (shape.second) {
      const also = kind === "thread" || name.includes(kind) || narrow ? "" : kind + " · ";
      label(group, 0, y + shape.name, clean(name, most));
      label(group, 0, y + shape.second, `${also}${percent(busy)} busy`, "q");
    } else label(group, 0, y + shape.name, clean(`${name} · ${percent(busy)}`, most + 1), "q");
  });
  if (!run.thick.length) label(group, (frame.left + frame.right) / 2, frame.top + 30, "no node ran", "q", "middle");
};

// The names that fit: from a bar's start up to the next bar of its row.
const drawLabels = (group, frame) => {
  group.replaceChildren();
  if (!frame.shape.label) return;
  frame.run.thickRows.forEach((bars, row) => {
    const y = frame.top + row * frame.shape.pitch + frame.shape.label;
    bars.forEach((bar, i) => {
      const from = Math.max(frame.left, frame.x(bar.from));
      if (frame.x(bar.to) < frame.left || from > frame.right) return;
      const until = i + 1 < bars.length ? Math.min(frame.right, frame.x(bars[i + 1].from)) : frame.right;
      const room = Math.floor((until - from) / COLUMN) - 1;
      if (room < 2) return;
      const name = clean(bar.node.name), wide = columns(name);
      if (wide <= room) label(group, from, y, name, "halo");
      else if (room >= 6) label(group, from, y, clean(bar.node.name, wide > name.length ? Math.floor(room / 2) : room), "halo");
    });
  });
};

const drawMarks = (group, frame) => {
  group.replaceChildren();
  for (const one of verticals(frame.run, frame.width, frame.x, frame.left)) {
    draw(group, "path", { class: one.kind, d: `M${px(one.at)} ${px(frame.space + TICKS - 4)}V${px(frame.lanesEnd - 6)}` });
    label(group, one.at, Math.max(LABEL_ROW, frame.space - LABEL_ROW * one.row) - 3, one.words, "halo", one.side);
  }
};

const bandName = ({ kind, name, limit }) => {
  if (kind === "exclusive") return "runs alone";
  const named = kind === "group" ? name : `${kind} ${name}`;
  return limit === 1 ? named : `${limit} of ${named}`;
};
const drawBands = (group, frame) => {
  const { run, bands, x, left, right } = frame;
  group.replaceChildren();
  bands.forEach((band, k) => {
    const y = frame.bandsTop + k * BAND;
    let path = "";
    for (const [from, to] of band.spans) {
      const a = Math.max(left, x(from)), b = Math.min(right, x(to));
      if (b >= a && x(from) <= right) path += rectangle(a, y, Math.max(SLIM, b - a), BAND - 5);
    }
    label(group, 0, y + 9, clean(bandName(band), frame.narrow ? 11 : 15), "q");
    draw(group, "path", { class: "band", d: path });
  });
  if (bands.length < run.bands.length) {
    const words = `${bands.length} of ${thousands(run.bands.length)} locks and groups drawn: those that were held longest`;
    label(group, left, frame.bandsTop + bands.length * BAND + 9, words, "q");
  }
};

const drawCurves = (group, frame) => {
  const { run } = frame;
  group.replaceChildren();
  if (!run.cores_used.length) return;
  const cores = `${Number(run.cores.toPrecision(6))} core${run.cores === 1 ? "" : "s"}`;
  let y = frame.bottom + 18;
  curve(group, frame, run.cores_used, [Math.min(run.cores, run.threads), run.cores], cores, ["cores", "in use"], "cores", y);
  y += CURVE + CURVE_GAP;
  if (run.gil) curve(group, frame, run.gil_demand, [1, 1], "1 = saturated", ["GIL", "demand"], "demand", y);
};

const curve = (group, frame, steps, [least, limit], words, names, kind, top) => {
  const { x, left, right } = frame, base = top + CURVE;
  const peak = Math.max(0, ...steps.map((step) => step[1])), unit = CURVE / Math.max(peak, least);
  let path = `M${left} ${px(base)}`;
  for (const [t, value] of steps) {
    const at = x(t);
    if (at > right) break;
    if (at > left) path += `H${px(at)}V${px(base - value * unit)}`;
    else path = `M${left} ${px(base)}V${px(base - value * unit)}`;
  }
  const end = Math.max(left, Math.min(right, x(steps.length ? steps[steps.length - 1][0] : 0)));
  draw(group, "path", { class: kind, d: `${path}H${px(end)}V${px(base)}z` });
  draw(group, "path", { class: "grid", d: `M${left} ${px(base)}H${px(right)}` });
  label(group, 0, base - 20, names[0]);
  label(group, 0, base - 5, names[1], "q");
  const y = base - limit * unit;
  if (y >= top - 0.5) {
    draw(group, "path", { class: "mark dash", d: `M${left} ${px(y)}H${px(right)}` });
    label(group, right, y - 4, words, "halo", "end");
  } else label(group, right, top - 2, `peak ${Number(peak.toPrecision(2))} of ${words}`, "halo q", "end");
};
