"use strict";
const checks = [...document.querySelectorAll(".check")];
const find = document.getElementById("find");
const boxes = [...document.querySelectorAll("input[name=status]")];
const apply = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  for (const check of checks) {
    const text = check.querySelector("summary").textContent.toLowerCase();
    check.hidden = !shown.has(check.dataset.status) || !words.every((word) => text.includes(word));
  }
};
const openTarget = () => {
  const check = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (check instanceof HTMLDetailsElement) { check.open = true; check.scrollIntoView(); }
};
find.addEventListener("input", apply);
boxes.forEach((box) => box.addEventListener("change", apply));
window.addEventListener("hashchange", openTarget);
document.querySelector(".filter").hidden = false;
openTarget();
