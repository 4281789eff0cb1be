// What is copied from a page has its formulas as LaTeX.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection.rangeCount) return;
  const copied = document.createElement("div");
  copied.append(selection.getRangeAt(0).cloneContents());
  const formulas = copied.querySelectorAll("math:has(annotation)");
  if (!formulas.length) return;
  const html = copied.innerHTML;
  for (const formula of formulas) {
    const sign = formula.getAttribute("display") === "block" ? "$$" : "$";
    formula.replaceWith(`${sign}${formula.querySelector("annotation").textContent}${sign}`);
  }
  document.body.append(copied); // only what is on the page knows where its lines end
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.clipboardData.setData("text/html", html);
  event.preventDefault();
});
