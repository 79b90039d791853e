"use strict";
/* Where the page gets its answers: from the service that gave it, or from the sample inside an exported page. */

class ServiceSource {
  constructor() { this.exported = false; this.posters = new Map(); }

  async fetch(address, options = {}) {
    const key = sessionStorage.getItem("key");
    const answer = await fetch(address, { ...options, headers: { ...options.headers, ...(key ? { "X-API-Key": key } : {}) } });
    if (answer.status === 401) { await askForKey(); return this.fetch(address, options); }
    return answer;
  }

  ask(name, body) {
    return this.fetch("explore/" + name, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body || {}) });
  }

  async json(name, body) {
    const answer = await this.ask(name, body);
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error ? content.error.message : "the service answers " + answer.status);
    return content;
  }

  about() { return this.json("about"); }
  users(text) { return this.json("users", { text, most: 12 }); }
  items(text) { return this.json("items", { text, most: 12 }); }
  lists(asked) { return this.json("lists", asked); }
  similar(item, k, by) { return this.json("similar", { item, k, by }); }
  map(column) { return this.json("map", { column }); }

  async document(name) {
    const answer = await this.fetch(documentAddress(name));
    if (!answer.ok) throw new Error("the document " + name + " is gone; load the page again");
    return answer.json();
  }

  /* A tab cannot bring the key: it gets a ticket, which opens the document once. */
  async openDocument(name, tab) {
    const { ticket } = await this.json("ticket", { name });
    tab.location.replace(new URL("explore/document?ticket=" + ticket, document.baseURI));
  }

  poster(item) {
    if (!this.posters.has(item)) this.posters.set(item, this.fetched(item));
    return this.posters.get(item);
  }

  async fetched(item) {
    try {
      const answer = await this.ask("poster", { item });
      return answer.status === 200 ? URL.createObjectURL(await answer.blob()) : null;
    } catch { return null; }
  }
}

class SampleSource {
  constructor(sample) { this.exported = true; this.sample = sample; }

  filled(answer) {
    const whole = (entry) => ({ ...this.sample.items[entry.id], ...entry });
    const lists = answer.lists.map((list) => ({ ...list, items: list.items.map(whole) }));
    return { ...answer, lists, history: answer.history.map(whole) };
  }

  async about() { return this.sample.about; }

  async users(text) {
    const wanted = text.trim();
    return { users: this.sample.users.filter((user) => user.id.includes(wanted)) };
  }

  async items() { return { items: [] }; }

  async lists(asked) {
    const found = this.filled(this.sample.lists[asked.user]);
    for (const list of found.lists) list.items = list.items.slice(0, asked.k);
    return found;
  }

  async similar(item, k, by) {
    const card = this.sample.items[item] || null, known = this.sample.sampled.includes(item);
    return { item: card, lists: known ? by.map((key) => this.near(item, key, k)) : [] };
  }

  near(item, key, k) {
    const [ids, similarity] = (this.sample.near[key] || {})[item] || [[], []], model = this.sample.about.models[key.split(":")[0]];
    const items = ids.slice(0, k).map((id, n) => ({ ...this.sample.items[id], similarity: similarity[n] }));
    return { by: key, engine: model.engine, version: model.version, items, error: ids.length ? null : "This item has no such vector." };
  }

  async map(column) { return { ...this.sample.map, ...(this.sample.maps[column] || {}) }; }
  async poster(item) { return this.sample.posters[item] || null; }
}

const documentAddress = (name) => "explore/documents/" + encodeURIComponent(name);

function askForKey() {
  const dialog = document.getElementById("key"), text = document.getElementById("key-text");
  text.value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    sessionStorage.setItem("key", text.value.trim());
    resolve();
  }, { once: true }));
}

function openSource() {
  const sample = document.getElementById("sample");
  return sample ? new SampleSource(JSON.parse(sample.textContent)) : new ServiceSource();
}
