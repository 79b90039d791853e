"use strict";
/* The page: state, what is asked for, and how the answers are shown. */

const byId = (id) => document.getElementById(id);
const source = openSource();
const state = { about: null, user: null, custom: [], answer: null, whole: false, number: 0, by: [] };
let map = null, selectTab = null, rules = null;

function say(text) { byId("said").textContent = text; }

function fail(error) {
  const problem = byId("problem");
  problem.textContent = error.message || String(error);
  problem.hidden = false;
}

const guarded = (act) => async (...given) => { try { await act(...given); } catch (error) { fail(error); } };

/* ---- what is asked ---- */

function asked() {
  const how = { k: Number(byId("k").value), rules: rules.values };
  return state.user !== null ? { user: state.user, ...how } : { history: state.custom.map((card) => card.id), ...how };
}

const refresh = guarded(async () => {
  const number = ++state.number;
  byId("lists").setAttribute("aria-busy", "true");
  const answer = await source.lists(asked());
  if (number !== state.number) return;
  byId("problem").hidden = true;
  state.answer = answer;
  showUser();
  showHistory();
  showLists();
  markMap();
  byId("lists").setAttribute("aria-busy", "false");
  const who = state.user !== null ? "user " + state.user : "a history of " + state.custom.length;
  say("Recommendations for " + who + " are shown.");
});

let timer = 0;
function soon() { clearTimeout(timer); timer = setTimeout(refresh, 150); }

function pickUser(id) { state.user = id; state.whole = false; refresh(); }

/* The history as it is shown, oldest first, becomes one that can be changed. */
function startEditing() {
  if (state.user === null) return;
  state.custom = state.answer ? [...state.answer.history].reverse() : [];
  state.user = null;
  selectTab(byId("tab-history"));
}

function addItem(card) {
  startEditing();
  state.custom = [...state.custom.filter((each) => each.id !== card.id), card];
  say(card.title + " is added to the history.");
  refresh();
}

function dropItem(card) {
  state.custom = state.custom.filter((each) => each.id !== card.id);
  say(card.title + " is taken out of the history.");
  refresh();
}

/* ---- what is shown ---- */

function showAbout() {
  const about = state.about;
  document.title = about.data + " · recsys explorer";
  const sizes = amount(about.users) + " users, " + amount(about.items) + " items, " + amount(about.interactions) + " interactions";
  byId("about").replaceChildren(make("strong", {}, about.data), make("span", {}, sizes));
  showDocuments(about.documents);
  state.by = about.side_by_side;
  byId("rules-panel").hidden = !about.controls.length;
  byId("rules").open = matchMedia("(min-width: 1041px)").matches;
  if (!about.configured) byId("back").textContent = "Back to lists without rules";
  rules = new RuleControls(byId("controls"), about.controls, () => { showMoved(); soon(); });
  const k = byId("k");
  k.max = Math.min(about.most_k, 30);
  if (source.exported) {
    byId("tab-history").hidden = true;
    byId("tab-user").parentElement.hidden = true;
    byId("find-user").placeholder = "Pick one of the sample";
  }
}

function showMoved() {
  const count = Object.keys(rules.values).length;
  byId("moved").hidden = !count;
  byId("moved").textContent = count + " moved";
  byId("back").disabled = !count;
}

function showDocuments(names) {
  const words = { report: "Report", data: "Data", columns: "Columns", attribution: "Attribution" }, decisions = names.filter((name) => name.startsWith("decision-"));
  const links = names.filter((name) => words[name]).map((name) => documentLink(name, words[name]));
  if (decisions.length) links.push(make("button", { type: "button", class: "linked", on: { click: () => openDecisions(decisions) } }, "Decisions"));
  byId("documents").replaceChildren(...links);
}

function documentLink(name, words) {
  const open = (event) => {
    if (!sessionStorage.getItem("key")) return;
    event.preventDefault();
    const tab = window.open("", "_blank");
    if (!tab) return;
    tab.opener = null;
    guarded(() => source.openDocument(name, tab).catch((error) => { tab.close(); throw error; }))();
  };
  return make("a", { href: documentAddress(name), target: "_blank", rel: "noopener", on: { click: open } }, words);
}

function showUser() {
  const user = state.answer.user, box = byId("user");
  if (state.user === null) { box.replaceChildren(); return; }
  if (!user) { box.replaceChildren(make("p", { class: "hint" }, "The model does not know user " + state.user + ".")); return; }
  const cells = Object.entries(user.columns).map(([name, text]) =>
    make("span", { class: "chip" }, make("span", { class: "dim" }, name.replaceAll("_", " ") + " "), text));
  const events = amount(user.count) + (user.count === 1 ? " interaction" : " interactions");
  box.replaceChildren(make("p", { class: "who" }, make("strong", {}, "User " + user.id), make("span", { class: "dim" }, events)),
    make("div", { class: "chips" }, cells));
}

function showHistory() {
  const { history, history_size: size } = state.answer, editing = state.user === null, few = state.whole ? history : history.slice(0, 8);
  byId("history-title").textContent = "History (" + amount(size) + ")";
  byId("clear").hidden = !editing || !size;
  byId("edit").hidden = editing || source.exported || !size;
  const rows = few.map((card) => make("li", { class: "past" },
    make("button", { type: "button", class: "line", on: { click: () => openItem(card.id) } },
      tile(card, source, state.about.images),
      make("span", { class: "words" }, make("span", { class: "title" }, card.title),
        make("span", { class: "dim" }, editing ? subtitle(card, state.about.columns) : card.when || subtitle(card, state.about.columns)))),
    editing ? make("button", { type: "button", class: "quiet drop", "aria-label": "Take out " + card.title, on: { click: () => dropItem(card) } }, "×") : null));
  if (!rows.length) rows.push(make("li", { class: "hint" }, editing ? "Nothing yet: search an item above, or open one and add it." : "No history: the list is the fallback."));
  byId("history").replaceChildren(...rows);
  const more = byId("more");
  more.hidden = history.length <= 8;
  more.textContent = state.whole ? "Show fewer" : "Show " + (size > history.length ? "the newest " : "all ") + history.length;
}

function showLists() {
  const lists = state.answer.lists, places = lists.map((list) => new Map(list.items.map((card, n) => [card.id, n + 1])));
  byId("lists").replaceChildren(...lists.map((list, n) => {
    const other = places.length > 1 ? places[1 - n] : null;
    const shared = other ? list.items.filter((card) => other.has(card.id)).length : 0;
    const head = make("header", { class: "listhead" },
      make("span", { class: "role" }, n === 0 ? "Served" : "Compared"),
      make("h2", { id: "list-" + n }, engineName(list.engine)),
      make("span", { class: "version", title: list.version }, list.version),
      other && list.items.length ? badge("shared", shared + " of " + list.items.length + " in both") : null);
    const rows = list.error ? make("p", { class: "problem" }, list.error)
      : list.items.length ? make("ol", { class: "cards", "aria-labelledby": "list-" + n }, list.items.map((card, place) => listed(card, place + 1, other, n)))
        : make("p", { class: "hint" }, "This list is empty.");
    return make("article", { class: "panel list", "aria-labelledby": "list-" + n }, head, rows);
  }));
}

function listed(card, rank, other, list) {
  const there = other && other.get(card.id);
  const badges = [
    card.fallback ? badge("fallback", "Fallback", "Popular among similar users: the model has nothing better to go by") : null,
    there ? badge("both", "#" + there + (list === 0 ? " there" : " served"), "The other list has it at place " + there) : null,
  ];
  const because = card.because.length ? make("p", { class: "because" }, make("span", { class: "dim" }, "Close to "),
    card.because.map((near, n) => make("span", {}, n ? ", " : "", near.title, " ", make("span", { class: "number" }, percent(near.similarity))))) : null;
  const why = ruleBadges(card.rules);
  return make("li", { class: "card" },
    make("button", { type: "button", class: "line", "aria-label": rank + ". " + card.title + ", open", on: { click: () => openItem(card.id) } },
      make("span", { class: "rank", "aria-hidden": "true" }, String(rank)),
      tile(card, source, state.about.images),
      make("span", { class: "words" },
        make("span", { class: "title" }, card.title),
        make("span", { class: "dim" }, subtitle(card, state.about.columns)))),
    make("div", { class: "badges" }, badges, make("span", { class: "score number", title: "Score: compares within a list" }, digits(card.score))),
    why.length ? make("p", { class: "why" }, why) : null,
    because,
    card.parts.length ? contributions(card.parts) : null,
    card.inputs.map(inputShares));
}

/* ---- one item ---- */

const openItem = guarded(async (id) => {
  const dialog = byId("item"), answer = await source.similar(id, 8, state.by), card = answer.item;
  if (!card) { say("The sample has nothing about this item."); return; }
  const cells = state.about.columns.filter((name) => card.columns[name]).map((name) =>
    make("div", {}, make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, card.columns[name])));
  cells.push(make("div", {}, make("dt", {}, "interactions"), make("dd", {}, amount(card.count))), make("div", {}, make("dt", {}, "id"), make("dd", {}, card.id)));
  const add = source.exported ? null : make("button", { type: "button", class: "main", on: { click: () => { dialog.close(); addItem(card); } } }, "Add to history");
  dialog.replaceChildren(
    make("div", { class: "itemhead" }, tile(card, source, state.about.images),
      make("div", { class: "words" }, make("h2", { id: "item-title", tabindex: "-1" }, card.title), make("dl", {}, cells), add), closing(dialog)),
    make("h3", {}, "Neighbours"),
    answer.lists.length ? make("div", { class: "neighbours" }, answer.lists.map((list, n) => neighbours(list, n, id)))
      : make("p", { class: "hint" }, source.exported ? "The sample has no neighbours of this item." : "These models do not compare items."));
  show(dialog);
  byId("item-title").focus();
});

function closing(dialog) {
  return make("button", { type: "button", class: "quiet close", "aria-label": "Close", on: { click: () => dialog.close() } }, "×");
}

function show(dialog) {
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

/* The nearest items by one of the embeddings, which can be changed. */
function neighbours(list, n, id) {
  const chosen = make("select", { id: "by-" + n, "aria-label": "Neighbours " + (n + 1) + " by", on: { change: guarded(async () => {
    state.by = state.by.map((key, place) => place === n ? chosen.value : key);
    const found = (await source.similar(id, 8, [chosen.value])).lists[0];
    rows.replaceChildren(...nearest(found));
    say("Neighbours by " + chosen.selectedOptions[0].textContent + " are shown.");
  }) } }, state.about.models.map((model, place) => !model.embeddings.length ? null : make("optgroup", { label: engineName(model.engine) + (place ? ", compared" : ", served") },
    model.embeddings.map((each) => make("option", { value: place + ":" + each.key, selected: place + ":" + each.key === list.by }, embeddingName(each, model.engine))))));
  const rows = make("ol", { class: "near-list", "aria-labelledby": "by-" + n }, nearest(list));
  return make("section", {}, make("div", { class: "by" }, chosen), rows);
}

function nearest(list) {
  if (list.error) return [make("li", { class: "hint" }, list.error)];
  return list.items.map((card) => {
    const bar = make("span", { class: "bar c0" });
    bar.style.setProperty("--size", Math.max(card.similarity, 0));
    return make("li", {}, make("button", { type: "button", class: "line", on: { click: () => openItem(card.id) } },
      tile(card, source, state.about.images),
      make("span", { class: "words" }, make("span", { class: "title" }, card.title), make("span", { class: "near" }, make("span", { class: "track" }, bar), make("span", { class: "number" }, percent(card.similarity))))));
  });
}

/* ---- decisions of the run ---- */

const openDecisions = guarded(async (names) => {
  const dialog = byId("decisions"), found = await Promise.all(names.map((name) => source.document(name)));
  dialog.replaceChildren(make("div", { class: "row" }, make("h2", { id: "decisions-title", tabindex: "-1" }, "Decisions"), closing(dialog)),
    make("ol", { class: "decisions" }, found.map((decision, n) => decided(decision, names[n]))));
  show(dialog);
  byId("decisions-title").focus();
});

function decided(decision, name) {
  const version = decision.promoted ? decision.version : decision.champion;
  const words = (decision.promoted ? "Promoted: " : "Not promoted: ") + (version ? "version " + version + " is the champion" : "there is no champion");
  const reasons = (decision.rules || []).map((rule) => make("li", { class: rule.passed ? "yes" : "no" },
    make("span", { class: "verdict" }, rule.passed ? "passed" : "failed"), make("span", {}, make("strong", {}, rule.name), " ", rule.reason)));
  return make("li", {}, make("h3", {}, Number(name.split("-")[1]) + ". " + words),
    make("p", { class: "hint" }, decision.engine ? "Candidate: " + engineName(decision.engine) + ". " : "", documentLink(name, "As JSON")),
    make("ul", { class: "reasons" }, reasons));
}

/* ---- the map ---- */

function markMap() {
  const marks = new Map();
  for (const card of state.answer.history) marks.set(card.id, "history");
  for (const card of state.answer.lists[0].items) marks.set(card.id, "list");
  if (map) map.mark(marks);
}

const showMap = guarded(async (column) => {
  const data = await source.map(column);
  map.set(data);
  byId("map").setAttribute("aria-label", "Map of " + data.ids.length + " items; arrow keys move, Enter opens");
  const shown = data.ids.length < data.items ? "the " + amount(data.ids.length) + " items with most interactions" : "all " + amount(data.items) + " items";
  byId("map-hint").textContent = "The two main directions (PCA) of the item vectors of " + engineName(state.about.models[0].engine) + ", " + shown + ". Items close together are alike to the model.";
  const rows = data.names.map((name, n) => {
    const dot = make("span", { class: "dot", "aria-hidden": "true" });
    dot.style.setProperty("--dot", n === data.names.length - 1 ? "var(--faint)" : "var(--g" + n + ")");
    const box = make("input", { type: "checkbox", checked: true, on: { change: () => map.toggle(n, box.checked) } });
    return data.groups.includes(n) ? make("li", {}, make("label", {}, box, dot, name)) : null;
  }).filter(Boolean);
  const marks = [["mark", "recommended"], ["mark old", "history"]].map(([kind, text]) => make("li", {}, make("span", { class: kind, "aria-hidden": "true" }), text));
  byId("legend").replaceChildren(...marks, ...rows);
});

/* ---- the start ---- */

function setTheme(name) {
  if (name === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = name;
  byId("theme").textContent = { system: "◐", light: "☀", dark: "☾" }[name];
  byId("theme").setAttribute("aria-label", "Colours: " + { system: "as the system", light: "light", dark: "dark" }[name]);
  if (map) map.draw();
}

function remembered(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch { /* an exported page from a disk may keep nothing */ }
  return null;
}

function addControls() {
  let theme = remembered("recsys-theme") || "system";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = { system: "light", light: "dark", dark: "system" }[theme];
    remembered("recsys-theme", theme);
    setTheme(theme);
  });
  byId("k").addEventListener("input", () => { byId("k-value").textContent = byId("k").value; soon(); });
  byId("back").addEventListener("click", () => { rules.back(); say("The rules are those at the start."); });
  selectTab = tabs([byId("tab-user"), byId("tab-history")], (id) => {
    if (id === "tab-user" && state.user === null) byId("find-user").focus();
    if (id === "tab-history" && state.user !== null) { state.user = null; state.custom = []; refresh(); }
  });
  byId("clear").addEventListener("click", () => { state.custom = []; refresh(); });
  byId("edit").addEventListener("click", () => { startEditing(); refresh(); });
  byId("more").addEventListener("click", () => { state.whole = !state.whole; showHistory(); });
  for (const name of ["item", "decisions"]) byId(name).addEventListener("click", (event) => { if (event.target === byId(name)) byId(name).close(); });
  const userRow = (user) => [make("strong", {}, user.id), make("span", { class: "dim" }, Object.values(user.columns).slice(0, 3).join(", ")), make("span", { class: "number" }, amount(user.count))];
  const itemRow = (card) => [make("span", { class: "title" }, card.title), make("span", { class: "dim" }, subtitle(card, state.about.columns))];
  combobox(byId("find-user"), byId("found-users"), async (text) => (await source.users(text)).users, userRow, (user) => pickUser(user.id));
  combobox(byId("find-item"), byId("found-items"), async (text) => (await source.items(text)).items, itemRow, addItem);
  map = new CatalogueMap(byId("map"), byId("tip"), byId("map-said"), openItem);
  byId("colour").addEventListener("change", () => showMap(byId("colour").value));
}

guarded(async () => {
  addControls();
  state.about = await source.about();
  showAbout();
  byId("colour").replaceChildren(...state.about.colours.map((name) => make("option", { value: name }, name.replaceAll("_", " "))));
  byId("colour").parentElement.hidden = !state.about.colours.length;
  const { users } = await source.users("");
  if (users.length) pickUser(users[Math.floor(users.length / 2)].id);
  else { selectTab(byId("tab-history")); refresh(); }
  await showMap(state.about.colours[0] || null);
})();
