// What the keyboard needs.

// The Tab key reaches what scrolls in itself. It is measured when the reader is near: the theme's own script lays out
// the whole page for this, box by box, and again after each change of a figure, so lean_pages.py leaves it out.
(() => {
  const BOXES = "pre, .nboutput > .output_area, .cell_output > .output, .pst-scrollable-table-container";

  function measure(entries) {
    const boxes = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    // First all that is read, then all that is written: each reading after a writing would lay out the page again.
    const scroll = boxes.map((box) => box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight);
    boxes.forEach((box, i) => (scroll[i] ? (box.tabIndex = 0) : box.removeAttribute("tabindex")));
  }

  const near = new IntersectionObserver(measure, { rootMargin: "600px" });

  function watch() {
    near.disconnect(); // what is watched anew is measured anew
    for (const box of document.querySelectorAll(BOXES)) near.observe(box);
  }

  let timer;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(watch, 300);
  });
  watch();
})();

// On a phone the menu and the contents of a page are drawers, into which the theme moves what a wide page has at its
// sides. They get a button to close them. A tap in the contents leads to a place, and would leave it covered; otherwise
// the focus goes back to what opened the drawer, because the theme takes it away from there.
for (const side of ["primary", "secondary"]) {
  const drawer = document.getElementById(`pst-${side}-sidebar-modal`);
  const sidebar = document.getElementById(`pst-${side}-sidebar`);
  if (!drawer || !sidebar) continue;
  const close = Object.assign(document.createElement("button"), { type: "button", className: "drawer-close" });
  close.textContent = "Close";
  close.onclick = () => drawer.close();
  sidebar.prepend(close);
  let followed = null;
  drawer.addEventListener("click", (event) => {
    followed = event.target.closest("a[href^='#']");
    if (followed) drawer.close();
  });
  drawer.addEventListener("close", () => {
    if (!followed) document.querySelector(`.${side}-toggle`).focus();
    followed = null;
  });
}

// The script that copies code takes the focus from its button, and says what came of it only in a tooltip.
(() => {
  const said = document.createElement("span");
  said.className = "visually-hidden";
  said.setAttribute("role", "status");
  document.body.append(said);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copybtn");
    if (!button) return;
    setTimeout(() => button.focus({ preventScroll: true }));
    said.textContent = "";
    setTimeout(() => (said.textContent = button.dataset.tooltip), 100);
  });
})();
