"use strict";
/* The map of the catalogue on a canvas: points of items, the history and the lists marked, a tip under the pointer. */

class CatalogueMap {
  constructor(canvas, tip, said, open) {
    Object.assign(this, { canvas, tip, said, open, data: null, marks: new Map(), hidden: new Set(), place: -1 });
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => this.show(-1));
    canvas.addEventListener("click", (event) => { this.point(event); if (this.place >= 0) open(this.data.ids[this.place]); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.show(-1));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  set(data) { this.data = data; this.hidden.clear(); this.place = -1; this.draw(); }
  mark(marks) { this.marks = marks; this.draw(); }
  toggle(group, is) { if (is) this.hidden.delete(group); else this.hidden.add(group); this.draw(); }

  at(n) {
    const { clientWidth: width, clientHeight: height } = this.canvas, edge = 14, [x, y] = this.data.points[n];
    return [edge + x * (width - 2 * edge), edge + (1 - y) * (height - 2 * edge)];
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue(name).trim();
  }

  draw() {
    const { canvas, data } = this, scale = devicePixelRatio || 1;
    if (!data || !canvas.clientWidth) return;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const pen = canvas.getContext("2d"), colour = this.colours(), marked = [];
    pen.scale(scale, scale);
    const last = data.names.length - 1, size = data.ids.length > 1200 ? 2.4 : 3.2;
    for (let n = data.ids.length - 1; n >= 0; n--) {
      if (this.hidden.has(data.groups[n])) continue;
      if (this.marks.has(data.ids[n])) { marked.push(n); continue; }
      const [x, y] = this.at(n), group = data.groups[n];
      pen.globalAlpha = group === last ? 0.35 : 0.7;
      pen.fillStyle = colour(group === last ? "--faint" : "--g" + group);
      pen.beginPath();
      pen.arc(x, y, size, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    for (const n of marked) this.ring(pen, n, colour(this.marks.get(data.ids[n]) === "history" ? "--text" : "--accent"), colour("--panel"));
    if (this.place >= 0) {
      const [x, y] = this.at(this.place);
      pen.strokeStyle = colour("--text");
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 9, 0, 7);
      pen.stroke();
    }
  }

  ring(pen, n, colour, under) {
    const [x, y] = this.at(n), history = this.marks.get(this.data.ids[n]) === "history";
    pen.beginPath();
    pen.arc(x, y, history ? 4 : 5.5, 0, 7);
    pen.fillStyle = colour;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = under;
    pen.stroke();
  }

  point(event) {
    if (!this.data) return;
    const box = this.canvas.getBoundingClientRect(), here = [event.clientX - box.left, event.clientY - box.top];
    let best = -1, nearest = 16 * 16;
    this.data.ids.forEach((id, n) => {
      if (this.hidden.has(this.data.groups[n])) return;
      const [x, y] = this.at(n), far = (x - here[0]) ** 2 + (y - here[1]) ** 2 - (this.marks.has(id) ? 40 : 0);
      if (far < nearest) { nearest = far; best = n; }
    });
    this.show(best);
  }

  show(n) {
    if (n === this.place) return;
    this.place = n;
    this.tip.hidden = n < 0;
    this.canvas.classList.toggle("over", n >= 0);
    if (n >= 0) {
      const [x, y] = this.at(n), name = this.data.names[this.data.groups[n]];
      this.tip.replaceChildren(make("strong", {}, this.data.titles[n]), name ? make("span", {}, name) : "");
      const left = Math.min(Math.max(x, 90), Math.max(this.canvas.clientWidth - 90, 90));
      this.tip.style.left = left + "px";
      this.tip.style.top = y + "px";
      this.tip.classList.toggle("below", y < 70);
    }
    this.draw();
  }

  /* Arrow keys go to the nearest point in that direction, Enter opens it. */
  key(event) {
    if (!this.data || !this.data.ids.length) return;
    if (event.key === "Enter" && this.place >= 0) { this.open(this.data.ids[this.place]); return; }
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    if (this.place < 0) this.show(0);
    else {
      const from = this.at(this.place);
      let best = -1, least = Infinity;
      this.data.ids.forEach((id, n) => {
        if (n === this.place || this.hidden.has(this.data.groups[n])) return;
        const [x, y] = this.at(n), dx = x - from[0], dy = y - from[1], along = dx * way[0] + dy * way[1];
        if (along < 2) return;
        const cost = along + 3 * Math.abs(dx * way[1] + dy * way[0]);
        if (cost < least) { least = cost; best = n; }
      });
      if (best >= 0) this.show(best);
    }
    this.said.textContent = this.data.titles[this.place] + ", " + (this.data.names[this.data.groups[this.place]] || "");
  }
}
