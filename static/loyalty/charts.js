// Draws the charts of reports. The page works the same without this: each chart stands beside its table.
//
// <figure data-chart="spot"> with a <div data-drawing> and the table in <details open>, and a JSON script with
// id "spot": an ECharts option, plus "unit" (see `lib/charts.py`). Colors are tokens ("$fill", "$good", "$bad",
// "$warn", "$quiet", "$line", "$soft", "$accent"), so that light and dark follow the theme.
(() => {
  const lang = document.documentElement.lang || "en";
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  const probe = document.body.appendChild(Object.assign(document.createElement("span"), { hidden: true }));

  // The theme speaks oklch, which the library cannot mix: one painted pixel says it in sRGB.
  function token(name) {
    probe.style.color = `var(--l-${name})`;
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return `rgb(${r},${g},${b})`;
  }

  function colored(value) {
    if (typeof value === "string" && /^\$[a-z]+$/.test(value)) return token(value.slice(1));
    if (Array.isArray(value)) return value.map(colored);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, colored(inner)]));
    }
    return value;
  }

  // {style: "percent"} | {style: "currency", currency, digits} (values in minor units) | {style: "decimal"}
  function formatter(unit = {}) {
    const { style = "decimal", currency, digits = 2 } = unit;
    const short = new Intl.NumberFormat(lang, {
      style, currency, maximumFractionDigits: style === "percent" ? 0 : 1, notation: style === "percent" ? "standard" : "compact",
    });
    const exact = new Intl.NumberFormat(lang, { style, currency, maximumFractionDigits: style === "percent" ? 1 : style === "currency" ? digits : 2 });
    const divided = (value) => (style === "currency" ? value / 10 ** digits : value);
    const said = (format) => (value) => (typeof value === "number" ? format.format(divided(value)) : (value ?? "–"));
    return { short: said(short), exact: said(exact) };
  }

  function axis(given, format) {
    if (!given) return given;
    if (Array.isArray(given)) return given.map((one) => axis(one, format));
    const text = { color: token("quiet"), fontSize: 12, hideOverlap: true, ...(given.type === "value" && { formatter: format.short }) };
    return {
      nameTextStyle: { color: token("quiet") },
      axisLine: { lineStyle: { color: token("line") } },
      axisTick: { show: false },
      splitLine: { show: given.type === "value", lineStyle: { color: token("line") } },
      ...given,
      axisLabel: { ...text, ...given.axisLabel },
    };
  }

  function option(said) {
    const { unit, ...given } = colored(said);
    const format = formatter(unit);
    const text = { color: token("text"), fontFamily: getComputedStyle(document.body).fontFamily };
    const labeled = (series) => ({
      ...series,
      ...(series.label && { label: { color: text.color, ...(series.label.show && !series.label.formatter && { formatter: (point) => format.short(number(point.value)) }), ...series.label } }),
    });
    return {
      animation: false,
      color: ["fill", "warn", "good", "bad", "accent", "quiet"].map(token),
      textStyle: text,
      aria: { enabled: true, decal: { show: false } },
      grid: { left: 8, right: 16, top: given.legend ? 40 : 16, bottom: 8, containLabel: true },
      ...given,
      tooltip: {
        renderMode: "richText", confine: true, backgroundColor: token("card"), borderColor: token("line"), textStyle: { color: text.color },
        valueFormatter: (value) => format.exact(number(value)), ...given.tooltip,
      },
      ...(given.legend && { legend: { top: 0, left: 0, icon: "roundRect", textStyle: text, ...given.legend } }),
      ...(given.visualMap && { visualMap: { textStyle: text, formatter: format.short, ...given.visualMap } }),
      ...(given.xAxis && { xAxis: axis(given.xAxis, format) }),
      ...(given.yAxis && { yAxis: axis(given.yAxis, format) }),
      series: (given.series ?? []).map(labeled),
    };
  }

  // A heat map's point is [x, y, value], a line's may be [x, value].
  const number = (value) => (Array.isArray(value) ? value.at(-1) : value);

  const drawn = [];
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const place = figure.querySelector("[data-drawing]");
    const said = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    place.hidden = false;
    const chart = echarts.init(place, null, { renderer: "svg" });
    chart.setOption(option(said));
    figure.querySelector("details")?.removeAttribute("open");
    new ResizeObserver(() => chart.resize()).observe(place);
    drawn.push([chart, said]);
  }

  const redraw = () => drawn.forEach(([chart, said]) => chart.setOption(option(said), true));
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
