// Sphinx's search, loaded after its own script: the book's pages come before those of the package, chapters first.
Scorer.score = ([page, , , , score]) => {
  if (/^(book\/api|_modules\/)/.test(page)) return score - 1000;
  return /^book\/\d/.test(page) ? score + 10 : score;
};

// The lines around a word are those that one reads: no LaTeX, no code, and not what is only printed.
Search.htmlToText = ((toText) => (html, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  const UNREAD = ".math, math, .cell_input, .onlyprint, script, noscript, template";
  for (const part of page.querySelectorAll(UNREAD)) part.remove();
  return toText(page.documentElement.outerHTML, anchor);
})(Search.htmlToText);
