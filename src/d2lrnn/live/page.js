// The host of the live figures: controls, panels and the sentence below them. It draws with explore.js.

const STYLE = `
.live-buttons { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .6rem; }
.live-buttons button[aria-pressed=true] { background: color-mix(in srgb, #2b7fd4 22%, transparent); border-color: #2b7fd4; }
.live-panel { position: relative; } .live-panel .handles { position: absolute; inset: 0; pointer-events: none; }
.live-panel .handles circle { pointer-events: all; cursor: grab; touch-action: none; fill: transparent; }
.live .live-four label { flex-basis: 9rem; } @media (max-width: 560px) { .live .live-pairs label { flex-basis: 8.5rem; } }
.live-buttons button:disabled { opacity: .45; cursor: default; }
.live-actions { margin: .7rem 0 0; }
.live-area { display: block; margin: 0 0 .6rem; } .live [hidden] { display: none; }
.live-area textarea { display: block; width: 100%; min-height: 4.2rem; margin: .3rem 0 0; padding: .4rem .5rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid color-mix(in srgb, currentColor 40%, transparent); border-radius: 4px; resize: vertical; }
.live-area textarea:focus-visible { outline: 2px solid #2b7fd4; outline-offset: 1px; }
.live-now { margin: .4rem 0 !important; min-height: 1.4em; font-weight: 600; font-variant-numeric: tabular-nums; }
.live-lines { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem .8rem; font-size: 13px; }
.live-lines span { text-align: right; opacity: .75; font-variant-numeric: tabular-nums; }
.live-lines q { quotes: none; font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; overflow: hidden; text-overflow: ellipsis; }
.live-lines q:last-child { white-space: pre-wrap; overflow-wrap: anywhere; min-height: 4.2em; font-size: 15px; }
@media (max-width: 560px) { .live-lines q:last-child { grid-column: 1 / -1; min-height: 7em; } .live-lines span:nth-last-child(2) { text-align: left; } }
`;

const LONGEST_SHARED = 300; // characters of a text that an address may hold

// Shows or hides a control with its label.
const shower = (input) => (shown) => { input.parentNode.hidden = !shown; };

class Figure {
  constructor(el, name) {
    const { element } = drawing;
    this.parts = []; // of the state: what each control says, and how to enter it
    this.node = element("figure", { class: "explorable live", "data-name": name });
    this.top = this.node.appendChild(element("div"));
    this.controls = this.node.appendChild(element("div", { class: "explorable-controls" }));
    this.room = this.node.appendChild(element("div", { class: "explorable-panels" }));
    this.reading = this.node.appendChild(element("p", { class: "explorable-reading", "aria-live": "polite" }, drawing.HINT));
    this.text = this.node.appendChild(element("p", { class: "explorable-text", "aria-live": "polite" }));
    el.append(element("style", {}, drawing.STYLE + STYLE), this.node);
  }

  // A row of buttons, of which at most one is pressed.
  buttons(label, names, press) {
    const row = this.top.appendChild(drawing.element("div", { class: "live-buttons", role: "group", "aria-label": label }));
    const all = names.map((name) => row.appendChild(drawing.element("button", { type: "button", "aria-pressed": false }, name)));
    const mark = (chosen) => all.forEach((button) => button.setAttribute("aria-pressed", button === chosen));
    all.forEach((button, i) => { button.onclick = () => { mark(button); press(names[i]); }; });
    mark(all[0]);
    this.parts.push({
      get: () => names[all.findIndex((button) => button.getAttribute("aria-pressed") === "true")] ?? "",
      enter: (name) => all[names.indexOf(name)]?.click(),
    });
    return { clear: () => mark(null) };
  }

  // Buttons that act: a name and what it does.
  actions(acts) {
    const row = drawing.element("div", { class: "live-buttons live-actions" });
    this.room.before(row);
    return Object.entries(acts).map(([name, act]) => {
      const button = row.appendChild(drawing.element("button", { type: "button" }, name));
      button.onclick = act;
      return button;
    });
  }

  // A field for a text. `change` hears each edit.
  area(label, change) {
    const node = this.top.appendChild(drawing.element("label", { class: "live-area" }, label));
    const field = node.appendChild(drawing.element("textarea", { spellcheck: false, autocomplete: "off" }));
    field.oninput = () => change(field.value);
    this.parts.push({
      get: () => (field.value.length <= LONGEST_SHARED ? field.value : ""),
      enter: (text) => { field.value = text; change(text); },
    });
    return { node, field };
  }

  // Below the panels: a line of numbers, and lines of text, the last of which is shown whole.
  lines() {
    const now = drawing.element("p", { class: "live-now" }), lines = drawing.element("div", { class: "live-lines" });
    this.text.before(now, lines);
    return { write: (numbers, texts) => {
      now.textContent = numbers;
      lines.replaceChildren(...texts.flatMap(([label, text]) => [drawing.element("span", {}, label), drawing.element("q", {}, text)]));
    } };
  }

  labelled(label, input) {
    const node = this.controls.appendChild(drawing.element("label"));
    node.append(drawing.element("span", {}, label));
    const shown = node.appendChild(drawing.element("b"));
    node.append(input);
    input.setAttribute("aria-label", label); // without the value, which a slider says by itself
    return shown;
  }

  // `set` moves the slider alone; `enter` acts as if the reader had moved it.
  slider(label, [min, max, step], start, format, change) {
    const input = drawing.element("input", { type: "range", min, max, step });
    const shown = this.labelled(label, input);
    const set = (value) => {
      input.value = value;
      shown.textContent = format(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    const enter = (value) => { set(value); change(Number(input.value)); };
    input.oninput = () => enter(input.value);
    set(start);
    this.parts.push({ get: () => input.value, enter });
    const range = (min, max) => Object.assign(input, { min, max });
    return { set, enter, range, show: shower(input) };
  }

  menu(label, names, start, change) {
    const input = drawing.element("select");
    for (const name of names) input.append(drawing.element("option", { value: name }, name));
    this.labelled(label, input);
    input.value = start;
    input.oninput = () => change(input.value);
    const enter = (value) => {
      if (!names.map(String).includes(value)) return;
      input.value = value;
      change(value);
    };
    this.parts.push({ get: () => input.value, enter });
    return { set: (value) => { input.value = value; }, show: shower(input) };
  }

  // Panels two by two, a wide one alone in its row, or all one below the other on a phone.
  panels(number) {
    const { element } = drawing;
    const boxes = Array.from({ length: number }, () => this.room.appendChild(element("div", { class: "live-panel" })));
    const pictures = boxes.map((box) => box.appendChild(element("svg", { role: "img" })));
    const moved = [];
    const draw = (panels, marks, sentence) => {
      const gap = 8, all = this.room.clientWidth || 640, phone = all < 560, half = phone ? all : Math.floor((all - gap) / 2);
      pictures.forEach((picture, i) => {
        const { wide, equal, height } = panels[i], panel = { ...panels[i], height: height * (phone && !equal ? 0.8 : 1) };
        drawing.drawPanel(picture, panel, marks[i], wide ? all : half);
        picture.setAttribute("aria-label", `${panels[i].title}. ${sentence}`);
      });
      moved.forEach((place) => place());
      if (this.text.textContent !== sentence) this.text.textContent = sentence;
    };
    // Points of a panel that the pointer can drag: `places` says where they are, `drag` is told where one should be.
    const handles = (i, places, drag) => {
      let grip; // from the pointer to the point's middle, so that it does not jump when it is touched
      const whole = { width: "100%", height: "100%", "aria-hidden": true }; // the sliders say and do the same
      const layer = boxes[i].appendChild(element("svg", { class: "handles", ...whole }));
      const circles = places().map(() => layer.appendChild(element("circle", { r: 22 })));
      const scales = () => ["x", "y"].map((axis) => JSON.parse(pictures[i].dataset[axis]));
      circles.forEach((circle, which) => {
        // Otherwise a finger that moves up or down would scroll the page.
        circle.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
        circle.onpointerdown = (event) => {
          const { left, top, width, height } = circle.getBoundingClientRect();
          grip = [left + width / 2 - event.clientX, top + height / 2 - event.clientY];
          circle.setPointerCapture(event.pointerId);
          event.preventDefault();
        };
        circle.onpointermove = (event) => {
          if (!circle.hasPointerCapture(event.pointerId)) return;
          const box = pictures[i].getBoundingClientRect();
          const at = [event.clientX + grip[0] - box.left, event.clientY + grip[1] - box.top];
          drag(which, scales().map(([low, high, from, to], axis) => low + ((at[axis] - from) / (to - from)) * (high - low)));
        };
      });
      moved.push(() => {
        scales().forEach(([low, high, from, to], axis) => places().forEach((place, which) =>
          circles[which].setAttribute(axis ? "cy" : "cx", from + ((place[axis] - low) / (high - low)) * (to - from))));
      });
    };
    return { draw, handles };
  }

  said() {
    return this.parts.map(({ get }) => get());
  }

  follow(state) {
    state?.forEach((wanted, i) => {
      if (this.parts[i] && this.parts[i].get() !== wanted) this.parts[i].enter(wanted);
    });
  }

  // What the controls say, in order, is the model's state: a page has it in its address.
  share(model, reset) {
    this.controls.append(drawing.ways(model, () => this.said(), reset));
    let last = String(this.said());
    const tell = () => {
      if (String(this.said()) === last || !this.node.isConnected) return; // after a reset, another one is in its place
      last = String(this.said());
      model.set("state", this.said());
    };
    for (const event of ["input", "click", "pointerup"]) this.node.addEventListener(event, tell);
  }

  // Draw now, and again whenever the width changes.
  onResize(draw) {
    let width = 0;
    this.observer = new ResizeObserver(() => {
      if (this.room.clientWidth !== width) { width = this.room.clientWidth; draw(); }
    });
    this.observer.observe(this.room);
    draw();
  }

  // Draws in the next frame, and once however often it is asked before.
  later(draw) {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      draw();
    });
  }

  // What must end when the page is left or the figure is taken away.
  onLeave(end) {
    this.left = new AbortController();
    this.left.signal.onabort = end;
    addEventListener("pagehide", end, { signal: this.left.signal });
  }

  // `change` is told whether the reader can see the figure. After onLeave.
  onSight(change) {
    let near = true;
    const told = () => change(near && !document.hidden);
    this.sight = new IntersectionObserver((seen) => {
      near = seen.at(-1).isIntersecting; // several may be told at once, the newest last
      told();
    });
    this.sight.observe(this.node);
    document.addEventListener("visibilitychange", told, { signal: this.left.signal });
  }

  remove() {
    this.observer.disconnect();
    this.sight?.disconnect();
    this.left?.abort();
  }
}

const FIGURES = { eigenvalues, your_sentence, learns_to_write, train_copy, translate };

function render({ model, el }) {
  const data = model.get("data");
  let figure;
  function begin() {
    figure = new Figure(el, data.name);
    FIGURES[data.figure].show(figure, data);
    figure.share(model, reset);
  }
  // Begin anew: what a network has learned goes, too.
  function reset() {
    const [old, shown] = [figure, [...el.children]];
    begin();
    old.remove();
    shown.forEach((node) => node.remove());
    model.set("state", figure.said());
    figure.controls.querySelector(".explorable-ways button").focus({ preventScroll: true });
  }
  begin();
  figure.follow(model.get("state"));
  model.on("change:state", () => figure.follow(model.get("state")));
  return () => figure.remove();
}

export default { render };
