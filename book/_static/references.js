// Shows what a reference leads to, a formula or a work, beside it: while the pointer or the keyboard's focus is on it.
// The pointer may go into the box, Tab leads to a link in it, Escape hides it. On a touch screen the first tap shows
// the box, and the second one follows the link. Without this script the links are links.
(() => {
  const box = document.createElement("div");
  box.className = "preview";
  box.id = "preview";
  box.popover = "manual";
  let shown = null; // the link whose box is open
  let timer;

  function show(link) {
    clearTimeout(timer);
    if (shown === link) return;
    hide();
    const anchor = link.hash.slice(1);
    const copy = (document.getElementById(`quote-${anchor}`) ?? document.getElementById(anchor)).cloneNode(true);
    copy.removeAttribute("id");
    box.replaceChildren(copy);
    link.after(box); // here, so that Tab goes from the link into the box
    link.setAttribute("aria-describedby", box.id);
    box.showPopover();
    shown = link;
    const place = link.getBoundingClientRect();
    const fits = place.bottom + box.offsetHeight + 8 < innerHeight || place.top < box.offsetHeight + 8;
    const left = Math.min(place.left, document.documentElement.clientWidth - box.offsetWidth - 8);
    box.style.left = `${Math.max(8, left) + scrollX}px`;
    const top = fits ? place.bottom + 4 : place.top - box.offsetHeight - 4;
    box.style.top = `${scrollY + Math.max(4, Math.min(top, innerHeight - box.offsetHeight - 4))}px`;
  }

  function hide() {
    clearTimeout(timer);
    const link = shown;
    if (!link) return;
    if (box.contains(document.activeElement)) link.focus(); // its box is still open, so this opens none
    shown = null; // before the box goes, because what had the focus says so when it goes
    link.removeAttribute("aria-describedby");
    box.remove();
  }

  function later(action, ...link) {
    clearTimeout(timer);
    timer = setTimeout(action, 200, ...link);
  }

  const within = (element) => element && (shown?.contains(element) || box.contains(element));
  const leave = (event) => within(event.relatedTarget) || hide();

  for (const link of document.querySelectorAll("a.preview-of")) {
    let touched = false;
    link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && later(show, link));
    link.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && later(hide));
    link.addEventListener("focus", () => link.matches(":focus-visible") && show(link));
    link.addEventListener("blur", leave);
    link.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
    link.addEventListener("click", (event) => {
      if (!touched || shown === link) return hide();
      event.preventDefault();
      show(link);
    });
  }
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && later(hide));
  box.addEventListener("focusout", leave);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("pointerdown", (event) => within(event.target) || hide());
})();
