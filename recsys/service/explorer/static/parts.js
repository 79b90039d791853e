"use strict";
/* Pieces of the page. Whatever comes from the data is set as text, never as HTML. */

function make(tag, options, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

const percent = (value) => Math.round(100 * value) + " %";
const amount = (value) => value.toLocaleString("en");
const digits = (value) => Math.abs(value) < 100 ? value.toLocaleString("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 }) : amount(Math.round(value));
const NAMES = {
  ease: "EASE", itemknn: "Item kNN", popularity: "Popularity", als: "ALS", two_tower: "Two-tower", hybrid: "Hybrid",
  lightgcn: "LightGCN", sasrec: "SASRec", bpr: "BPR",
};
const engineName = (kind) => NAMES[kind] || kind.replaceAll("_", " ");

function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (31 * sum + letter.codePointAt(0)) % 360;
  return sum;
}

/* The poster of an item; a coloured tile with the first letters until, or unless, there is one. */
function tile(card, source, images) {
  const words = card.title.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
  const box = make("span", { class: "tile", "aria-hidden": "true" }, letters || "?");
  box.style.setProperty("--hue", hue(card.title));
  if (images && card.image) whenSeen(box, async () => {
    const address = await source.poster(card.id);
    if (address) box.replaceChildren(make("img", { src: address, alt: "", decoding: "async" }));
  });
  return box;
}

const watched = new WeakMap();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) {
    watcher.unobserve(entry.target);
    watched.get(entry.target)();
  }
}, { rootMargin: "200px" });
function whenSeen(node, act) { watched.set(node, act); watcher.observe(node); }

/* The short line under a title: the first short cells. */
function subtitle(card, columns) {
  const cells = columns.map((name) => card.columns[name]).filter((text) => text && text.length <= 60);
  return cells.slice(0, 2).join(" · ");
}

function badge(kind, text, title) { return make("span", { class: "badge " + kind, title: title || null }, text); }

/* The rules without which an item would not have its place, in plain words. */
const RULES = {
  exploration: ["Random", "One of the places that exploration gives to random items"],
  diversity: ["For variety", "It is less like the items above it than others of its score"],
  calibration: ["Like the history", "It brings the list nearer to what the history is made of"],
  caps: ["By the cap", "It moved up because the cap left out better ones"],
  group: ["One of each", "It moved up because others of one group were left out"],
  at_least: ["At least", "It is one of those of which the list needs some"],
  boosts: ["Boosted", "Its score is multiplied"],
  freshness: ["As newer", "It moved up because older items were left out"],
  availability: ["As available", "It moved up because others are not available"],
  candidates: ["Own list", "This user gets items of an own list alone"],
};
function ruleBadges(names) { return names.filter((name) => RULES[name]).map((name) => badge("rule", ...RULES[name])); }

/* What an embedding is called where it is chosen. */
function embeddingName({ kind, name, of, made }, engine) {
  const what = { whole: engineName(engine) + ", the whole model", part: "part " + engineName(name), ids: "item ids (who chose what)", table: name + (made ? " (" + made + ")" : ", a table"), column: "column " + name.replaceAll("_", " ") }[kind];
  return of ? engineName(of) + " · " + what : what;
}

/* What each part of a hybrid adds, as bars from a middle line. */
function contributions(parts, label) {
  const most = Math.max(...parts.map((part) => Math.abs(part.value)), 1e-9);
  return make("ul", { class: "parts", "aria-label": label || "Contribution of each part of the hybrid" }, parts.map((part, n) => {
    const bar = make("span", { class: "bar c" + (n % 4) });
    bar.style.setProperty("--size", Math.abs(part.value) / most);
    const side = make("span", { class: "track" + (part.value < 0 ? " minus" : "") }, bar);
    const value = (part.value < 0 ? "−" : "+") + Math.abs(part.value).toFixed(2);
    return make("li", {}, make("span", { class: "part" }, engineName(part.name)), side, make("span", { class: "number" }, value));
  }));
}

/* What each input of the two-tower model adds, folded. */
function inputShares({ of, values }) {
  const named = values.map(({ name, value }) => ({ name: name === "ids" ? "item ids" : name, value })).sort((a, b) => b.value - a.value);
  return make("details", { class: "inputs" }, make("summary", { title: "The score less that of the item without the input" }, "Inputs of " + engineName(of)),
    contributions(named, "What the score would lose without each input of " + engineName(of)));
}

/* A search field with a list of what is found, by mouse, keyboard and screen reader (the ARIA combobox pattern). */
function combobox(input, list, find, row, choose) {
  let found = [], active = -1, asked = 0, timer = 0;
  const close = () => { list.hidden = true; active = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
  const point = (place) => {
    active = (place + found.length) % found.length;
    [...list.children].forEach((node, n) => node.setAttribute("aria-selected", n === active ? "true" : "false"));
    input.setAttribute("aria-activedescendant", list.children[active].id);
    list.children[active].scrollIntoView({ block: "nearest" });
  };
  const take = (place) => { const chosen = found[place]; input.value = ""; close(); choose(chosen); };
  const look = async () => {
    const number = ++asked;
    const answer = await find(input.value);
    if (number !== asked || document.activeElement !== input) return;
    found = answer;
    active = -1;
    list.replaceChildren(...found.map((each, n) => make("li", {
      id: list.id + "-" + n, role: "option", "aria-selected": "false",
      on: { mousedown: (event) => { event.preventDefault(); take(n); } },
    }, row(each))));
    if (!found.length) list.append(make("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing found"));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(look, 120); };
  input.addEventListener("input", soon);
  input.addEventListener("focus", soon);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { close(); return; }
    if (list.hidden && event.key === "ArrowDown") { look(); return; }
    if (!found.length || list.hidden) return;
    if (event.key === "ArrowDown") point(active + 1);
    else if (event.key === "ArrowUp") point(active < 0 ? found.length - 1 : active - 1);
    else if (event.key === "Enter") take(Math.max(active, 0));
    else return;
    event.preventDefault();
  });
}

/* Tabs by arrow keys. */
function tabs(buttons, changed) {
  const select = (chosen, focus) => {
    for (const button of buttons) {
      const is = button === chosen;
      button.setAttribute("aria-selected", String(is));
      button.tabIndex = is ? 0 : -1;
      document.getElementById(button.getAttribute("aria-controls")).hidden = !is;
    }
    if (focus) chosen.focus();
  };
  buttons.forEach((button, n) => {
    button.addEventListener("click", () => { select(button); changed(button.id); });
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = buttons[(n + step + buttons.length) % buttons.length];
      select(next, true);
      changed(next.id);
    });
  });
  return select;
}
