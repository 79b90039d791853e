"use strict";
/* Where the page gets its answers: from the service that gave it, or from the sample inside an exported page. */

class ServiceSource {
  constructor() { this.exported = false; this.posters = new Map(); }

  async ask(name, body) {
    const headers = { "Content-Type": "application/json" };
    const key = sessionStorage.getItem("key");
    if (key) headers["X-API-Key"] = key;
    const answer = await fetch("explore/" + name, { method: "POST", headers, body: JSON.stringify(body || {}) });
    if (answer.status === 401) { await askForKey(); return this.ask(name, body); }
    return answer;
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
  similar(item, k) { return this.json("similar", { item, k }); }
  map(column) { return this.json("map", { column }); }

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
    const found = { ...answer, lists: answer.lists.map((list) => ({ ...list, items: list.items.map(whole) })) };
    if (answer.history) found.history = answer.history.map(whole);
    if (answer.item) found.item = whole(answer.item);
    return found;
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

  async similar(item, k) {
    const known = this.sample.similar[item];
    if (!known) return { item: this.sample.items[item] || null, lists: [] };
    const found = this.filled(known);
    for (const list of found.lists) list.items = list.items.slice(0, k);
    return found;
  }

  async map(column) { return { ...this.sample.map, ...(this.sample.maps[column] || {}) }; }
  async poster(item) { return this.sample.posters[item] || null; }
}

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
