// Brings the widgets saved in a page to life with no kernel and no network.
// An explorable figure has its data in its saved state and its script in FIGURE_SCRIPTS. It gets a
// model that lives in the page. The script of a live figure, which is larger, is fetched when the first one
// comes near. Any other widget needs a kernel: the page shows its last picture.
(() => {
  const here = document.currentScript.src;
  const tags = (kind) => document.querySelectorAll(`script[type="application/vnd.jupyter.widget-${kind}+json"]`);
  const saved = Object.assign({}, ...[...tags("state")].map((tag) => JSON.parse(tag.textContent).state));

  // The address can say what one figure shows, such as #one_unit=1.1,tanh
  function fromAddress() {
    const [, name, state] = location.hash.match(/^#([^=]+)=(.*)$/) ?? [];
    try {
      return { name, state: state?.split(",").map(decodeURIComponent) };
    } catch {
      return {};
    }
  }

  const models = {};

  function pageModel(state) {
    const { name } = state.data, values = { ...state };
    const listeners = {};
    if (fromAddress().name === name) values.state = fromAddress().state;
    const model = {
      get: (name) => values[name],
      set(name, value) {
        values[name] = value;
        for (const call of listeners[`change:${name}`] ?? []) call();
      },
      on: (event, call) => (listeners[event] ??= []).push(call),
      off: (event, call) => (listeners[event] = call ? (listeners[event] ?? []).filter((c) => c !== call) : []),
      save_changes() {},
      forget() { // what the address says of this figure
        clearTimeout(waiting);
        if (fromAddress().name === name) history.replaceState(null, "", location.href.split("#")[0]);
      },
      address: (state) => `${location.href.split("#")[0]}#${name}=${state.map(encodeURIComponent)}`,
    };
    let waiting;
    model.on("change:state", () => {
      clearTimeout(waiting); // browsers allow only so many changes of the address while a slider moves
      waiting = setTimeout(() => history.replaceState(null, "", model.address(values.state)), 200);
    });
    return (models[name] = model);
  }

  addEventListener("hashchange", () => {
    const { name, state } = fromAddress();
    if (!models[name]) return;
    models[name].set("state", state);
    goTo(name);
  });

  function goTo(name) {
    document.querySelector(`figure[data-name="${CSS.escape(name ?? "")}"]`)?.scrollIntoView({ block: "center" });
  }

  const modules = {};

  function moduleOf(name) {
    return (modules[name] ??= import(URL.createObjectURL(new Blob([FIGURE_SCRIPTS[name]], { type: "text/javascript" }))));
  }

  async function showExplorable(name, state, el) {
    const module = await moduleOf(name);
    await module.default.render({ model: pageModel(state), el });
    if (fromAddress().name === state.data.name) goTo(state.data.name);
  }

  const scripts = {};

  // A plain script, because a page that is opened as a file may fetch nothing else.
  function load(file) {
    scripts[file] ??= new Promise((loaded, failed) => {
      const script = Object.assign(document.createElement("script"), { onload: loaded, onerror: failed });
      script.src = new URL(file, here);
      document.head.append(script);
    });
    return scripts[file];
  }

  async function bring(name, state, el) {
    await load(LIVE_SCRIPTS[name]);
    for (const [data, file] of Object.entries(DATA_SCRIPTS)) {
      if (state.data[data] !== null) continue;
      await load(file); // trained networks are saved once for all pages
      state.data[data] = LIVE_DATA[data];
    }
    await showExplorable(name, state, el);
  }

  const drawAll = []; // what is not yet drawn, for print

  // Who comes back to this page finds the place: each figure has the height that it had.
  const PLACE = `d2lrnn-heights ${location.pathname}`;
  let heights = {};
  try {
    heights = JSON.parse(sessionStorage.getItem(PLACE)) ?? {};
  } catch {} // a browser may refuse to keep anything

  const sizes = new ResizeObserver((seen) => {
    for (const { target, contentRect } of seen) heights[target.dataset.place] = contentRect.height;
    try {
      sessionStorage.setItem(PLACE, JSON.stringify(heights));
    } catch {}
  });

  // A figure is drawn when it comes near, because each one takes a phone a tenth of a second.
  function whenNear(name, state, el, place) {
    const live = name in LIVE_SCRIPTS;
    el.classList.add("waiting", ...(live ? ["live"] : []));
    el.dataset.place = place;
    if (place in heights) el.style.minHeight = `${heights[place]}px`;
    let shown = false;
    function show() {
      if (shown) return;
      shown = true;
      observer?.disconnect();
      removeEventListener("scroll", soon);
      (live ? bring : showExplorable)(name, state, el)
        .catch((error) => {
          console.error(error);
          el.textContent = "This figure could not be loaded. Reload the page to try again.";
        })
        .finally(() => {
          el.classList.remove("waiting", "live");
          el.style.minHeight = "";
          sizes.observe(el);
        });
    }
    // Until the reader moves, only what is well in view is drawn: first one reads.
    let observer;
    function watch(rootMargin) {
      observer?.disconnect();
      observer = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && show(), { rootMargin });
      observer.observe(el);
    }
    const soon = () => watch("800px");
    watch("0px 0px -200px");
    addEventListener("scroll", soon, { once: true });
    if (!live) drawAll.push(show);
    if (document.documentElement.classList.contains("whole")) show();
    if (fromAddress().name === state.data.name) el.scrollIntoView();
  }

  addEventListener("beforeprint", () => drawAll.forEach((show) => show()));
  if (tags("view").length) Object.keys(FIGURE_SCRIPTS).forEach(moduleOf); // before the first print, which does not wait

  function pictures(id) {
    const { state } = saved[id] ?? { state: {} };
    const own = state._model_name === "HTMLModel" ? [state.value] : [];
    return own.concat(...(state.children ?? []).map((child) => pictures(child.replace("IPY_MODEL_", ""))));
  }

  function showNote(id, el) {
    const colab = document.querySelector('a[href^="https://colab.research.google.com"]');
    const where = colab ? `<a href="${colab.href}">open the notebook in Colab</a>` : "open the notebook in Colab";
    el.innerHTML = `${pictures(id).join("")}<p class="lab-note">This lab needs a kernel: ${where} or run it locally.</p>`;
  }

  for (const [place, tag] of tags("view").entries()) {
    const id = JSON.parse(tag.textContent).model_id;
    const el = Object.assign(document.createElement("div"), { className: "page-widget" });
    tag.after(el);
    const state = saved[id]?.state ?? {};
    const name = state._anywidget_id;
    if (name in FIGURE_SCRIPTS || name in LIVE_SCRIPTS) whenNear(name, state, el, place);
    else showNote(id, el);
  }
})();
