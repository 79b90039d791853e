"use strict";
/* Sliders, choices and switches of the rules of the lists, drawn from what the service offers. */

class RuleControls {
  constructor(box, controls, changed) {
    this.controls = new Map(controls.map((control) => [control.name, { ...control, show: null, node: null }]));
    this.moved = {};
    this.changed = changed;
    box.replaceChildren(...[...this.controls.values()].map((control) => this.drawn(control)));
    this.showAll();
  }

  /* The values that are not those at the start. */
  get values() { return { ...this.moved }; }

  value(name) { return name in this.moved ? this.moved[name] : this.controls.get(name).value; }

  set(control, value) {
    if (value === control.value) delete this.moved[control.name];
    else this.moved[control.name] = value;
    const other = control.shares && this.controls.get(control.shares);
    if (other && this.value(other.name) + value > 1) this.set(other, Math.max(Math.round(100 * (1 - value)) / 100, other.low));
    this.showAll();
  }

  back() { this.moved = {}; this.showAll(); this.changed(); }

  showAll() {
    for (const control of this.controls.values()) {
      control.show(this.value(control.name));
      control.node.hidden = Boolean(control.needs) && !this.value(control.needs);
      control.node.classList.toggle("moved", control.name in this.moved);
    }
  }

  drawn(control) {
    const id = "rule-" + control.name, act = (value) => { this.set(control, value); this.changed(); };
    const hint = control.hint ? make("p", { class: "hint", id: id + "-hint" }, control.hint) : null;
    const described = { id, "aria-describedby": hint ? hint.id : null };
    const label = make("label", { for: id }, control.label);
    if (control.kind === "switch") {
      const box = make("input", { type: "checkbox", ...described, on: { change: () => act(box.checked) } });
      control.show = (value) => { box.checked = value; };
      control.node = make("div", { class: "switch" }, box, label);
    } else if (control.kind === "choice") {
      const options = control.options.map(([value, text]) => make("option", { value }, text));
      const select = make("select", { ...described, on: { change: () => act(select.value) } }, options);
      control.show = (value) => { select.value = value; };
      control.node = make("div", { class: "choice" + (control.needs ? " under" : "") }, label, select);
    } else control.node = this.slider(control, { label, hint, described, act });
    return control.node;
  }

  slider(control, { label, hint, described, act }) {
    const stops = control.kind === "stops" ? control.options : null, words = new Map(stops || control.words);
    const [low, high, step] = stops ? [0, stops.length - 1, 1] : [control.low, control.high, control.step];
    const output = make("output", { for: described.id });
    const input = make("input", { type: "range", min: String(low), max: String(high), step, ...described, on: {
      input: () => act(stops ? stops[Number(input.value)][0] : Number(input.value)),
    } });
    control.show = (value) => {
      input.value = stops ? stops.findIndex(([stop]) => stop === value) : value;
      output.textContent = words.has(value) ? words.get(value) : String(value);
      input.setAttribute("aria-valuetext", output.textContent);
    };
    return make("div", { class: "slider" + (control.needs ? " under" : "") }, label, output, input, hint);
  }
}
