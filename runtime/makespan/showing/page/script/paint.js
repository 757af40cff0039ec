// From bars to boxes by colour, and from boxes to SVG or to a canvas: what is drawn is the same in both.

const SLIM = 1, NARROW = 4;

// Boxes and outlines by class, in pixels of the picture.
const makeInk = () => {
  const fills = new Map(), lines = new Map();
  return {
    fills, lines,
    box(kind, x, y, w, h) {
      let some = fills.get(kind);
      if (!some) fills.set(kind, (some = []));
      some.push(x, y, w, h);
    },
    line(kind, path) { lines.set(kind, (lines.get(kind) || "") + path); },
  };
};

// A bar filled from the bottom by its shares, in whole pixels that add up.
const fill = (ink, x, width, y, height, shares) => {
  if (!shares) { ink.box("u", x, y, width, height); return; }
  let filled = 0, low = y + height;
  for (let k = 0; k < FILLS.length; k++) {
    filled += height * shares[k];
    const upto = y + height - Math.round(filled);
    if (upto < low) { ink.box(FILLS[k], x, upto, width, low - upto); low = upto; }
  }
};

// All bars of the rows that lie in sight; those thinner than a pixel are drawn together, with their mean.
// Returns how many share their place with another.
const layBars = (ink, rows, band, frame) => {
  let shared = 0;
  const [top, height] = band, { left, right, x } = frame;
  rows.forEach((bars, row) => {
    const y = frame.top + row * frame.shape.pitch + top;
    let begin = 0, end = 0, weight = 0, sums = null, several = 0;
    const flush = () => {
      if (sums) fill(ink, begin, Math.max(SLIM, end - begin), y, height, sums.map((sum) => sum / weight));
      if (several > 1) shared += several;
      sums = null;
    };
    for (const bar of bars) {
      const a = Math.max(left, x(bar.from)), b = Math.min(right, x(bar.to));
      if (b < left || a > right || (b <= a && bar.to > bar.from)) continue;
      const width = b - a;
      if (width >= SLIM || !bar.shares) {
        flush();
        fill(ink, a, Math.max(SLIM, width), y, height, bar.shares);
        if (width > NARROW && bar.thick) ink.box("gap", b - 0.4, y, 0.8, height);
        continue;
      }
      if (sums && b - begin >= 1.5 * SLIM) flush();
      const w = Math.max(width, 1e-9);
      if (!sums) { sums = [0, 0, 0, 0, 0, 0]; begin = a; weight = 0; several = 0; }
      several++;
      end = b;
      weight += w;
      for (let k = 0; k < FILLS.length; k++) sums[k] += w * bar.shares[k];
    }
    flush();
  });
  return shared;
};

const px = (value) => Math.round(value * 10) / 10;
const rectangle = (x, y, w, h) => `M${px(x)} ${px(y)}h${px(w)}v${px(h)}h${px(-w)}z`;

// The outline of a bar that is in sight, open where it goes on; of a narrow one above and below only.
const outline = (bar, band, frame) => {
  const a = Math.max(frame.left, frame.x(bar.from)), b = Math.min(frame.right, Math.max(frame.x(bar.to), frame.x(bar.from) + SLIM));
  if (b < a || frame.x(bar.from) > frame.right) return "";
  const y = frame.top + bar.row * frame.shape.pitch + band[0], h = band[1];
  if (b - a > NARROW) return rectangle(a, y, b - a, h);
  return `M${px(a)} ${px(y)}h${px(b - a)}m${px(a - b)} ${px(h)}h${px(b - a)}`;
};

const ORDER = ["line", "i0", "i1", "i2", "i3", "i4", "u", ...FILLS, "gap"];

const toSvg = (group, ink) => {
  group.replaceChildren();
  for (const kind of ORDER) {
    const some = ink.fills.get(kind);
    if (!some) continue;
    let path = "";
    for (let i = 0; i < some.length; i += 4) path += rectangle(some[i], some[i + 1], some[i + 2], some[i + 3]);
    draw(group, "path", { class: kind === "gap" ? "gapbox" : kind, d: path });
  }
  for (const [kind, path] of ink.lines) draw(group, "path", { class: kind, d: path });
};

// The colours of the style sheet as pixels: one number each, or a square tile of them for stripes and dots.
const palette = (probe, scale, faint) => {
  const look = getComputedStyle(probe), alpha = Math.round(255 * (faint ? 0.62 : 1));
  const of = (name) => {
    const [r, g, b] = look.getPropertyValue("--" + name).match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
    return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
  };
  const tile = (size, ground, ink, marked) => {
    const side = Math.round(size * scale), pixels = new Uint32Array(side * side);
    for (let i = 0; i < pixels.length; i++) pixels[i] = marked((i % side) / scale, Math.floor(i / side) / scale, side / scale) ? ink : ground;
    return { side, pixels };
  };
  const plain = {
    g: of("gil"), n: of("native"), l: of("longer"), u: of("unknown"), gap: of("paper"), line: of("line"),
    i0: of("idle-inputs"), i1: of("idle-lock"), i2: of("idle-gil"), i3: of("idle-budget"), i4: of("idle-end"),
  };
  if (faint) return { ...plain, b: of("blocked"), w: of("wait"), d: of("longer") };
  const dot = (at) => at % 4 >= 1 && at % 4 < 2.5;
  return {
    ...plain,
    b: tile(8, of("blocked"), of("stripe"), (x, y, side) => (x + y) % side < 2),
    w: tile(7, of("wait"), of("gil"), (x, y, side) => (x - y + side) % side < 2.4),
    d: tile(4, of("longer"), of("dots"), (x, y) => dot(x) && dot(y)),
  };
};

// Boxes into pixels: ten thousand bars are a few milliseconds, where calls of the canvas would take fifty.
const toPixels = (pixels, width, ink, colours, scale) => {
  for (const kind of ORDER) {
    const some = ink.fills.get(kind), colour = colours[kind];
    if (!some) continue;
    for (let i = 0; i < some.length; i += 4) {
      const left = Math.max(0, Math.round(some[i] * scale));
      const right = Math.min(width, Math.max(left + 1, Math.round((some[i] + some[i + 2]) * scale)));
      const low = Math.round((some[i + 1] + some[i + 3]) * scale);
      for (let y = Math.round(some[i + 1] * scale); y < low; y++) {
        if (typeof colour === "number") { pixels.fill(colour, y * width + left, y * width + right); continue; }
        const { side, pixels: tile } = colour, row = (y % side) * side;
        for (let x = left; x < right; x++) pixels[y * width + x] = tile[row + (x % side)];
      }
    }
  }
};
