// Everything is known: the pictures of the page give way to those that can be zoomed, the tables to those that sort.

const plots = [...document.querySelectorAll(".plot")];
page.charts = plots.map((plot, i) => makeChart(runs[i], plot));
if (plots.length) toolbar(document.getElementById("tools"));
for (const chart of page.charts) {
  chart.draw();
  listen(chart);
}
for (const tell of page.told) tell();
const nodes = document.getElementById("nodes");
if (nodes) { if (data.runs) pairTable(nodes); else nodesTable(nodes, runs[0]); }

let wide = plots.map((plot) => plot.clientWidth).join();
new ResizeObserver(() => {
  const now = plots.map((plot) => plot.clientWidth).join();
  if (now !== wide) { wide = now; redraw(); }
}).observe(document.querySelector("main"));
// A canvas holds colours, not classes: it is painted anew when they change, and on paper in the colours of paper.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => { for (const chart of page.charts) chart.repaint(document.getElementById("paper")); });
addEventListener("afterprint", redraw);
