"use strict";

// The arrows of the theme that open a part of the contents have no words of their own.
for (const summary of document.querySelectorAll("nav details > summary")) {
  const link = summary.closest("li")?.querySelector("a");
  if (link && !summary.textContent.trim()) summary.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
}

// A formula is no stop for Tab, unless it is wider than its column: then keys have to scroll it.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const set = target.querySelector("mjx-container");
    if (!set) continue;
    if (set.scrollWidth > set.clientWidth) set.tabIndex = 0;
    else set.removeAttribute("tabindex");
  }
});
for (const formula of document.querySelectorAll("div.math")) widths.observe(formula);
