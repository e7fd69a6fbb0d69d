// SPDX-License-Identifier: ISC
// What the board does beyond its pages: the time it is of, local times, and the fleet's filter. All of
// it can be read without.
"use strict";

const STALE_MS = 15 * 60 * 1000;
const LOOK_MS = 30 * 1000;
let asOf = null;

function ago(ms) {
  const minutes = Math.floor(ms / 60000);
  if (minutes < 1) return "< 1 min";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

function showAsOf() {
  const line = document.getElementById("as-of");
  const age = Date.now() - Date.parse(asOf);
  const time = line.querySelector("time");
  time.dateTime = asOf;
  time.textContent = `${asOf.slice(0, 16).replace("T", " ")}Z (${ago(age)})`;
  line.classList.toggle("stale", age > STALE_MS);
  line.title = age > STALE_MS ? line.dataset.stale : "";
  line.hidden = false;
}

// as-of.js calls this: when the page comes, and each time we look for news.
function boardAsOf(moment) {
  const news = asOf !== null && moment !== asOf;
  asOf = moment;
  showAsOf();
  if (news && [null, document.body].includes(document.activeElement)) location.reload();
}

function lookForNews() {
  const here = document.querySelector("script[src$='as-of.js']");
  const again = document.createElement("script");
  again.src = here.getAttribute("src");
  here.replaceWith(again);
}

function showLocalTimes() {
  for (const time of document.querySelectorAll("main time")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.title = `${time.dateTime} = ${moment.toLocaleString()}`;
  }
}

function beginFilter() {
  const input = document.getElementById("filter");
  const table = document.getElementById("fleet");
  if (!input || !table) return;
  const output = document.querySelector("output[for=filter]");
  const rows = Array.from(table.tBodies[0].rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => texts[i].includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    output.textContent = words.length ? `${shown} / ${rows.length} ${output.dataset.word}` : "";
    history.replaceState(null, "", words.length ? `#filter=${encodeURIComponent(input.value)}` : "#");
  };
  input.addEventListener("input", show);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Escape" && document.activeElement === input) {
      input.value = "";
      show();
    }
  });
  const asked = /^#filter=(.*)$/.exec(location.hash);
  if (asked) {
    input.value = decodeURIComponent(asked[1]);
    show();
  }
  input.closest(".filter").hidden = false;
}

document.addEventListener("DOMContentLoaded", () => {
  beginFilter();
  showLocalTimes();
  setInterval(lookForNews, LOOK_MS);
});
