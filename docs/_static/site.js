"use strict";

// The arrows of the theme that open a part of the contents have no words of their own.
for (const summary of document.querySelectorAll("nav details > summary")) {
  const link = summary.closest("li")?.querySelector("a");
  if (link && !summary.textContent.trim()) summary.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
}
