// Draws the charts, sorts the tables, switches between light and dark. Fetches nothing.
(() => {
  "use strict";
  const PAPER = 680;

  const widthOf = (drawing) => {
    const kind = drawing.closest("figure").classList.contains("wide") ? "figure.wide" : "figure:not(.wide)";
    const shown = [drawing, ...document.querySelectorAll(`${kind} .drawing`)].find((one) => one.clientWidth);
    return shown ? shown.clientWidth : document.querySelector("main").clientWidth;  // what is closed is as wide as what is open
  };

  const LETTER = 6.8;
  const isOfRow = (layer) => layer.mark.type === "text" && layer.encoding.y;

  // Of a row's two texts, its name on the left and what it came to on the right: is there no room for both?
  const collides = (spec, width) => {
    const fields = new Set((spec.layer ?? []).filter(isOfRow).map((layer) => layer.encoding.text.field));
    const lengths = spec.datasets.rows?.map((row) => [...fields].reduce((sum, field) => sum + row[field].length, 0)) ?? [];
    return fields.size > 1 && LETTER * (Math.max(...lengths) + 3) > width;
  };

  const stack = (spec) => {  // the one above the other
    const room = 14;
    spec.height.step += room;
    for (const { mark, encoding } of spec.layer) {
      if (isOfRow({ mark, encoding })) {
        mark.dy += mark.align === "right" ? room / 2 : -room / 2;
        mark.align = "left";
        encoding.x = { value: 0 };
      }
      for (const offset of ["yOffset", "y2Offset"]) if (offset in mark) mark[offset] += room / 2;
    }
  };

  // A key beside the charts names the scenarios once; what is saved as a picture has legends of its own.
  const fitted = (spec, width) => {
    const fits = structuredClone(spec);
    if (fits.vconcat) fits.vconcat.forEach((panel) => { panel.width = Math.max(120, width - 64); });
    else fits.width = width;
    if (collides(fits, width)) stack(fits);
    fits.config.legend.disable = true;
    return fits;
  };

  // `ast` has vega interpret its expressions: to compile them it would need eval, which the page forbids.
  // logLevel 1: errors only; of an interval that is not known vega warns.
  const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, logLevel: 1, tooltip: { disableDefaultStyle: true } };

  const views = new Map();
  const draw = async (drawing) => {
    const spec = JSON.parse(drawing.nextElementSibling.textContent);
    const drawn = await vegaEmbed(drawing, fitted(spec, widthOf(drawing)), options);
    drawing.querySelector("svg").setAttribute("aria-hidden", "true");
    views.set(drawing, drawn.view);
  };

  let drawnWidth = 0;
  let turn = 0;
  const drawAll = async () => {
    const main = document.querySelector("main");
    if (main.clientWidth === drawnWidth) return;
    drawnWidth = main.clientWidth;
    const mine = ++turn;
    for (const drawing of document.querySelectorAll("[data-chart]")) {
      if (mine !== turn) return;  // the window has another size again
      try { await draw(drawing); } catch (error) { console.error(error); drawing.textContent = "This chart could not be drawn; the table has its numbers."; }
      // at first without a pause: the page has loaded only when all are drawn, so that paper and pictures show them all
      if (document.readyState === "complete") await new Promise((resolve) => setTimeout(resolve));
    }
    document.documentElement.dataset.charts = "drawn";
  };

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const by = cell.dataset.by ?? cell.textContent.replace(/,/g, "");
    return by === "" || by === "-" ? null : Number.isNaN(Number(by)) ? by : Number(by);
  };

  const compare = (one, other) => {
    if (one === null || other === null) return null;
    return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
  };

  const sort = (heading) => {
    const table = heading.closest("table");
    const body = table.tBodies[0];
    const column = heading.cellIndex;
    const before = heading.getAttribute("aria-sort");
    const down = before ? before === "ascending" : heading.classList.contains("number");
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
    rows.sort(([one], [other]) => {
      const order = compare(one, other);
      return order === null ? (one === null) - (other === null) : down ? -order : order;  // what is not known comes last
    });
    body.append(...rows.map(([, row]) => row));
  };

  document.querySelectorAll("table.sortable th[scope=col] button").forEach((button) => {
    button.addEventListener("click", () => sort(button.parentElement));
  });

  document.querySelectorAll("button.columns").forEach((button) => {
    const table = button.parentElement.querySelector("table");
    button.addEventListener("click", () => {
      const all = table.classList.toggle("all");
      button.textContent = all ? "Fewer columns" : "All columns";
    });
  });

  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const showTheme = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
  };
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  dark.addEventListener("change", showTheme);
  showTheme();

  let closed = [];
  addEventListener("beforeprint", () => {  // paper cannot be clicked
    closed = [...document.querySelectorAll("details.load:not([open])")];
    closed.forEach((load) => { load.open = true; });
    views.forEach((view, drawing) => {  // nor is it as wide: what is shrunk to fit cannot be read
      if (drawing.closest("figure").classList.contains("wide")) view.width(PAPER).run();
    });
  });
  addEventListener("afterprint", () => {
    closed.forEach((load) => { load.open = false; });
    drawnWidth = 0;
    drawAll();
  });

  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 200); });
  drawAll();
})();
