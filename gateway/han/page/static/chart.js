// Draws what the page's own table says. Amounts stand in it as text; numbers are made of them for the bars' heights only.
"use strict";

const Chart = (() => {
  const CLEAR = "rgba(0,0,0,0)";
  const MANY = 40;
  let shown = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // As many ticks as there is room for: every one, every second, every third, ...
  function ticks(drawing, [low, high], width) {
    const within = drawing.ticks.filter(([at]) => at >= low && at <= high);
    const longest = Math.max(...within.map(([, , text]) => text.length), 1);
    const room = Math.max(2, Math.floor((width - 70) / (8 * longest + 8)));
    const every = [1, 2, 3, 6, 12].find((step) => within.length / step <= room) ?? 12;
    return drawing.ticks.filter(([, number]) => number % every === 0);
  }

  function shownTicks(drawing, range, width) {
    const kept = ticks(drawing, range, width);
    const shift = drawing.filled.length > MANY ? 0.5 : 0;  // a time of day is where its bar begins
    return { tickvals: kept.map(([at]) => at - shift), ticktext: kept.map(([, , text]) => text) };
  }

  function traces(drawing) {
    const at = drawing.filled.map((_, number) => number);
    const stages = drawing.stages.map((stage) => ({
      type: "bar", name: stage.name, x: at, y: stage.values.map(Number), hoverinfo: "skip",
      marker: {
        color: colour(`slot-${stage.slot}`), line: { width: 0 },
        pattern: {
          shape: drawing.filled.map((filled) => (filled === "partial" ? "/" : stage.slot === "error" ? "x" : "")),
          fillmode: "overlay", fgcolor: colour("card"), size: 7, solidity: 0.3,
        },
      },
    }));
    const missing = (filled) => filled === "gap";
    const columns = {
      type: "bar", name: drawing.gap, x: at, y: at.map(() => 1), width: 1, yaxis: "y2",
      hovertext: drawing.hover, hovertemplate: "%{hovertext}<extra></extra>",
      marker: {
        color: CLEAR, line: { width: 0 },
        pattern: {
          shape: drawing.filled.map((filled) => (missing(filled) ? "/" : "")),
          fillmode: "replace", fgcolor: colour("missing"), bgcolor: CLEAR, size: 8, solidity: 0.22,
        },
      },
    };
    return [...stages, columns];
  }

  function layout(drawing, coarse, range, width) {
    const ink = colour("quiet");
    const count = drawing.filled.length;
    return {
      barmode: "relative", bargap: count > MANY ? 0.06 : 0.25, showlegend: false, hovermode: "closest",
      separators: drawing.decimal === "," ? ",." : ".,",
      paper_bgcolor: CLEAR, plot_bgcolor: CLEAR, dragmode: coarse ? false : "zoom",
      margin: { l: 56, r: 8, t: 26, b: 34 },
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink },
      hoverlabel: {
        align: "left", bgcolor: colour("card"), bordercolor: colour("quiet"),
        font: { color: colour("ink"), size: 13, family: getComputedStyle(document.body).fontFamily },
      },
      xaxis: {
        type: "linear", range, tickmode: "array", ticks: "outside", ticklen: 5, tickcolor: CLEAR,
        ...shownTicks(drawing, range, width),
        showgrid: false, zeroline: false, fixedrange: coarse, tickangle: 0, minallowed: -0.5, maxallowed: count - 0.5,
      },
      yaxis: {
        rangemode: "tozero", fixedrange: true, gridcolor: colour("grid"), zeroline: true, zerolinecolor: colour("line"),
        nticks: 6, automargin: true,
      },
      yaxis2: { overlaying: "y", range: [0, 1], fixedrange: true, visible: false },
      annotations: [{
        text: drawing.unit, xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "right", yanchor: "bottom",
        xshift: -6, yshift: 6, showarrow: false,
      }],
    };
  }

  function look(range) {
    const { tickvals, ticktext } = shownTicks(shown.drawing, range, shown.place.clientWidth);
    return Plotly.relayout(shown.place, { "xaxis.range": range, "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext });
  }

  function zoom(how) {
    const count = shown.drawing.filled.length;
    const whole = [-0.5, count - 0.5];
    const [low, high] = shown.place.layout.xaxis.range;
    const half = Math.max(1.5, ((high - low) / 2) * (how === "in" ? 0.5 : 2));
    const middle = shown.at >= low && shown.at <= high ? shown.at : (low + high) / 2;
    let range = [middle - half, middle + half];
    if (how === "all" || half * 2 >= count) range = whole;
    else if (range[0] < whole[0]) range = [whole[0], whole[0] + 2 * half];
    else if (range[1] > whole[1]) range = [whole[1] - 2 * half, whole[1]];
    return look(range);
  }

  function point(number) {
    const count = shown.drawing.filled.length;
    shown.at = Math.min(count - 1, Math.max(0, number));
    Plotly.Fx.hover(shown.place, [{ curveNumber: shown.drawing.stages.length, pointNumber: shown.at }], ["xy2"]);
    shown.say(shown.drawing.spoken[shown.at]);
  }

  function key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 12, PageUp: -12 };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in steps) point(shown.at + steps[event.key]);
    else if (event.key === "Home") point(0);
    else if (event.key === "End") point(shown.drawing.filled.length - 1);
    else if (event.key === "+") zoom("in");
    else if (event.key === "-") zoom("out");
    else if (event.key === "Escape") Plotly.Fx.unhover(shown.place);
    else if (event.key === "Enter" && shown.drawing.closer[shown.at]) shown.go(shown.drawing.closer[shown.at]);
    else return;
    event.preventDefault();
  }

  // `say` tells a text to who cannot see it, `go` looks at another address.
  async function draw(place, say, go) {
    const drawing = JSON.parse(place.dataset.drawing);
    const coarse = matchMedia("(pointer: coarse)").matches;
    shown = { place, drawing, say, go, at: -1 };
    place.classList.add("drawn");
    const range = [-0.5, drawing.filled.length - 0.5];
    await Plotly.newPlot(place, traces(drawing), layout(drawing, coarse, range, place.clientWidth), {
      displayModeBar: false, responsive: true, showTips: false, doubleClick: "reset", scrollZoom: false,
    });
    place.on("plotly_click", (event) => {
      const closer = drawing.closer[event.points[0].pointNumber];
      if (closer && !coarse) go(closer);
    });
    // What was dragged over, or shown whole again by a double click.
    place.on("plotly_relayout", (change) => {
      if (!("xaxis.tickvals" in change) && !change.autosize) look([...place.layout.xaxis.range]);
    });
    place.addEventListener("keydown", key);
    const buttons = document.getElementById("zoom");
    buttons.hidden = false;
    for (const button of buttons.querySelectorAll("button")) button.addEventListener("click", () => zoom(button.dataset.zoom));
  }

  function redraw() {
    if (shown === null || !shown.place.isConnected) return;
    const { place, drawing } = shown;
    const coarse = matchMedia("(pointer: coarse)").matches;
    Plotly.react(place, traces(drawing), layout(drawing, coarse, place.layout.xaxis.range, place.clientWidth));
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  for (const [event, paper] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, () => {
      document.documentElement.classList.toggle("paper", paper);
      redraw();
    });
  }

  return { draw };
})();
