"use strict";
// Searching the invoices, a page of them at a time; and tables that printing shows open.
(() => {
  const PAGE = 50;
  const documents = [...document.querySelectorAll(".doc")];
  const box = document.getElementById("find");
  const count = document.getElementById("found");
  const more = document.getElementById("more");
  if (box && count && more) {
    document.querySelector(".find").hidden = false;
    let texts = null;
    let shown = PAGE;
    const search = () => {
      texts ??= documents.map((each) => each.textContent.toLowerCase().replace(/\s+/g, " "));
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      documents.forEach((each, number) => {
        const fits = words.every((word) => texts[number].includes(word));
        found += fits ? 1 : 0;
        each.hidden = !fits || found > shown;
      });
      const visible = Math.min(found, shown);
      count.textContent = found === 0
        ? "No invoice on this page is like that."
        : `${visible} of ${found} ${words.length ? "found" : "invoices"} shown`;
      more.hidden = found <= shown;
    };
    let waiting = 0;
    box.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { shown = PAGE; search(); }, 120);
    });
    more.addEventListener("click", () => { shown += PAGE; search(); });
    search();
  }
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.print:not([open])")];
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
})();
