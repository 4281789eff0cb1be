// What has been read. It is kept in this browser only; where the browser keeps nothing, nothing is shown.
(() => {
  const KEY = "d2lrnn-read";
  const pageOf = (address) => new URL(address, location.href).pathname.match(/\/book\/(\d\d_.+|your_own_text|studies\/(?!index).+)\.html$/)?.[1];
  let read;
  try {
    read = new Set(JSON.parse(localStorage.getItem(KEY)));
    localStorage.setItem(KEY, JSON.stringify([...read]));
  } catch {
    return;
  }
  const links = [...document.querySelectorAll("nav.bd-links a, ol.cards a")].filter((link) => pageOf(link.href));

  function show() {
    for (const link of links) {
      link.querySelector(".read-mark")?.remove();
      if (!read.has(pageOf(link.href))) continue;
      const mark = Object.assign(document.createElement("span"), { className: "read-mark", textContent: " ✓" });
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", "read");
      link.append(mark);
    }
  }

  function askWhetherRead(page) {
    const label = document.createElement("label");
    label.className = "have-read";
    label.innerHTML = '<input type="checkbox"> I have read this page <small>(kept in this browser only)</small>';
    const box = label.firstChild;
    box.checked = read.has(page);
    box.addEventListener("change", () => {
      read[box.checked ? "add" : "delete"](page);
      localStorage.setItem(KEY, JSON.stringify([...read]));
      show();
    });
    document.querySelector("article.bd-article").append(label);
  }

  function showWhereToGoOn(start) {
    const cards = [...document.querySelectorAll("ol.cards a")];
    const unread = cards.filter((card) => !read.has(pageOf(card.href)));
    if (unread.length === cards.length) return;
    if (unread.length) {
      start.href = unread[0].href;
      start.textContent = `Go on with chapter ${parseInt(unread[0].textContent)}`;
    }
    const note = Object.assign(document.createElement("small"), { className: "progress-note" });
    note.textContent = `${cards.length - unread.length} of ${cards.length} chapters read (kept in this browser only)`;
    start.after(" ", note);
  }

  const page = pageOf(location.href);
  if (page) askWhetherRead(page);
  const start = document.querySelector("a.start");
  if (start) showWhereToGoOn(start);
  show();
})();
