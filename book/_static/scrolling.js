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

// On a phone the contents of a page are a drawer: a tap in it leads to a place, and would leave it covered.
for (const drawer of document.querySelectorAll("dialog[id*=sidebar]"))
  drawer.addEventListener("click", (event) => event.target.closest("a[href^='#']") && drawer.close());
