// What the page does beyond being read: theme, sorting, the metric chooser, tooltips, one engine highlighted everywhere.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const all = (query, within = document) => [...within.querySelectorAll(query)];

  const stored = {
    get: () => { try { return localStorage.getItem("recsys-theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("recsys-theme", name); } catch { /* a page of a file may have none */ } },
  };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const toggle = document.getElementById("theme");
  const label = () => { toggle.textContent = dark() ? "Light" : "Dark"; };
  const theme = stored.get();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  label();
  toggle.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    stored.set(root.dataset.theme);
    label();
  });

  // sorting: a cell's value is its data-v, or else its text
  const value = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.v ?? cell.textContent.trim(), number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  const sort = (head, ascending) => {
    const table = head.closest("table"), column = head.cellIndex, body = table.tBodies[0];
    const rows = [...body.rows].sort((x, y) => {
      const a = value(x, column), b = value(y, column);
      if (a === null || b === null) return (a === null) - (b === null);
      return ascending ? compare(a, b) : compare(b, a);
    });
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...rows);
  };
  all("table.sortable th:not(.bar)").forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort"), text = head.classList.contains("text");
      sort(head, before ? before === "descending" : text);
    });
  });

  // one engine highlighted in every figure and table: while a key is pointed at, or for good by a click
  let pinned = null;
  const highlight = (engine) => all("[data-e]:not(.chip)").forEach((part) =>
    part.classList.toggle("dim", engine !== null && part.dataset.e !== engine));
  all(".chip").forEach((chip) => {
    chip.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && highlight(chip.dataset.e));
    chip.addEventListener("pointerleave", () => highlight(pinned));
    chip.addEventListener("click", () => {
      pinned = pinned === chip.dataset.e ? null : chip.dataset.e;
      all(".chip").forEach((other) => other.setAttribute("aria-pressed", String(other.dataset.e === pinned)));
      highlight(pinned);
    });
  });

  // tooltips: the mark nearest to the pointer, or the next one by the arrow keys
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  document.body.append(tip);
  let hot = null;
  const hide = () => { tip.hidden = true; hot?.classList.remove("hot"); hot = null; };
  const show = (mark) => {
    if (mark !== hot) { hide(); hot = mark; mark.classList.add("hot"); tip.textContent = mark.dataset.tip; tip.hidden = false; }
    const box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = box.left + box.width / 2 - own.width / 2, above = box.top - own.height - 8;
    tip.style.left = `${Math.max(6, Math.min(left, root.clientWidth - own.width - 6))}px`;
    tip.style.top = `${above < 6 ? box.bottom + 8 : above}px`;
  };
  all("svg[data-marks]").forEach((chart) => {
    const marks = all(".m", chart);
    marks.forEach((mark) => { // the title is the tooltip where there is no script
      const title = mark.querySelector("title");
      mark.dataset.tip = title.textContent;
      title.remove();
    });
    const distance = (mark, event) => {
      const box = mark.getBoundingClientRect();
      return Math.hypot(event.clientX - box.left - box.width / 2, (event.clientY - box.top - box.height / 2));
    };
    const inside = (mark, event) => {
      const box = mark.getBoundingClientRect();
      return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    };
    const seen = (mark) => !mark.closest(".dim");
    const point = (event) => {
      const ranked = marks.filter(seen).map((mark) => [inside(mark, event) ? 0 : distance(mark, event), mark]);
      const best = ranked.reduce((a, b) => (b[0] < a[0] ? b : a), [44, null]);
      best[1] ? show(best[1]) : hide();
    };
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerdown", point);
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("blur", hide);
    chart.tabIndex = 0;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step || !marks.length) return;
      event.preventDefault();
      const at = marks.indexOf(hot);
      show(marks[at < 0 ? 0 : (at + step + marks.length) % marks.length]);
    });
  });
  addEventListener("scroll", hide, { passive: true });

  // the metric chooser: cells and bars of the results, and the panel of the metric
  const chooser = document.getElementById("metric"), length = document.getElementById("length");
  if (chooser && length) {
    const found = JSON.parse(document.getElementById("metrics").textContent);
    const table = document.querySelector("table.results"), panels = all("[data-metric]");
    const percent = (x, range) => `${(4 + 92 * (x - range[0]) / (range[1] - range[0] || 1)).toFixed(2)}%`;
    const choose = () => {
      const lengths = Object.keys(found.values[chooser.value]).sort((a, b) => a - b);
      const k = lengths.includes(length.value) ? length.value : lengths[0];
      length.replaceChildren(...lengths.map((each) => new Option(each, each, false, each === k)));
      const name = `${chooser.value}@${k}`, cells = found.values[chooser.value][k];
      const bounds = cells.flat(), range = [Math.min(...bounds), Math.max(...bounds)], best = Math.max(...cells.map((c) => c[0]));
      all("[data-shows-metric]").forEach((part) => { part.textContent = name; });
      all("tbody tr", table).forEach((row) => {
        const [middle, low, high] = cells[row.dataset.e], cell = row.querySelector("td.value");
        const [line, mark] = row.querySelectorAll("td.bar .whisker, td.bar .m");
        cell.dataset.v = middle;
        cell.dataset.label = name;
        cell.querySelector(".number").textContent = middle.toFixed(4);
        cell.querySelector(".number").classList.toggle("best", middle === best);
        cell.querySelector("small").textContent = `${low.toFixed(4)} to ${high.toFixed(4)}`;
        line.setAttribute("x1", percent(low, range));
        line.setAttribute("x2", percent(high, range));
        mark.parentNode.setAttribute("x", percent(middle, range));
        mark.dataset.tip = `${found.names[row.dataset.e]}, ${name}: ${middle.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
      });
      panels.forEach((panel) => { panel.hidden = panel.dataset.metric !== chooser.value; });
      sort(table.querySelector("th.value"), false);
    };
    chooser.addEventListener("change", choose);
    length.addEventListener("change", choose);
    choose();
  }
})();
