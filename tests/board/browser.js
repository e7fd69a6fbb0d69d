// SPDX-License-Identifier: ISC
// browser.js COMMAND ...: looks at a board in headless Chromium, by playwright-core; TAP lines.
//
//   pages DIR URL SHOTS   every kind of page, from disk and by HTTP, at phone and desktop width, in
//                         light and dark: no console error, no request elsewhere, nothing wider than
//                         the screen, contrast AA; screenshots into SHOTS
//   keys DIR              what the keyboard does
//   large DIR ROWS        a fleet of ROWS rows: script time of load and filter, in ms
"use strict";
const fs = require("fs");
const path = require("path");
const { chromium } = require("playwright-core");

let count = 0;
let failed = 0;
function ok(good, text) {
  count += 1;
  if (!good) failed += 1;
  console.log(`${good ? "ok" : "not ok"} ${count} - ${text}`);
}

// One page of each kind, the ones with most on them.
function kindsOf(dir) {
  const largest = (folder) => {
    const files = fs.readdirSync(path.join(dir, folder), { recursive: true })
      .filter((file) => file.endsWith(".html"))
      .map((file) => path.join(folder, file))
      .sort((a, b) => fs.statSync(path.join(dir, b)).size - fs.statSync(path.join(dir, a)).size);
    return files[0];
  };
  return [["fleet", "index.html"], ["calendar", "calendar.html"], ["app", largest("app")],
    ["release", largest("release")], ["base", largest("base")]];
}

// In the page: texts whose contrast is less than WCAG AA asks for.
function lowContrast() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || style.visibility === "hidden" || !element.getClientRects().length) continue;
    const text = parse(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(text), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName}.${element.getAttribute("class")} ${ratio.toFixed(2)}`);
  }
  return Array.from(new Set(bad));
}

async function open(browser, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.troubles = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.troubles.push(message.text());
  });
  page.on("pageerror", (error) => page.troubles.push(error.message));
  page.on("requestfailed", (request) => page.troubles.push(`${request.url()} failed`));
  page.on("dialog", (dialog) => { page.troubles.push("a script was run"); dialog.dismiss(); });
  return page;
}

async function pages(browser, dir, url, shots) {
  const screens = [["desktop", 1280, 800, "light"], ["desktop", 1280, 800, "dark"],
    ["phone", 390, 844, "light"], ["phone", 390, 844, "dark"]];
  for (const [screen, width, height, colorScheme] of screens) {
    for (const [kind, file] of kindsOf(dir)) {
      const from = colorScheme === "light" ? `file://${dir}/` : url;
      const page = await open(browser, { viewport: { width, height }, colorScheme });
      const elsewhere = [];
      page.on("request", (request) => {
        if (!request.url().startsWith(from) && !request.url().startsWith("data:")) elsewhere.push(request.url());
      });
      await page.goto(from + file);
      await page.waitForFunction(() => !document.getElementById("as-of").hidden);
      const where = `${kind} ${screen} ${colorScheme} ${from.slice(0, 4)}`;
      ok(page.troubles.length === 0, `${where}: nothing on the console ${page.troubles}`);
      ok(elsewhere.length === 0, `${where}: asks nobody else ${elsewhere}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      ok(wide <= 0, `${where}: fits the width`);
      const hidden = await page.evaluate(() => Array.from(document.querySelectorAll(".wide"))
        .filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.querySelector("table").id));
      ok(hidden.length === 0, `${where}: no table is scrolled sideways ${hidden}`);
      const low = await page.evaluate(lowContrast);
      ok(low.length === 0, `${where}: contrast AA ${low}`);
      const head = await page.evaluate(() => [document.title, document.documentElement.lang,
        document.querySelectorAll("h1").length, document.querySelectorAll("main").length]);
      ok(head[0] && head[1] && head[2] === 1 && head[3] === 1, `${where}: title, language, one h1, one main`);
      if (colorScheme === (screen === "phone" ? "dark" : "light"))
        await page.screenshot({ path: path.join(shots, `${kind}-${screen}.png`), fullPage: true });
      await page.context().close();
    }
  }
}

async function keys(browser, dir) {
  const page = await open(browser, { viewport: { width: 1280, height: 800 } });
  const focus = () => page.evaluate(() => {
    const e = document.activeElement;
    return `${e.tagName} ${e.id || e.textContent}`;
  });
  await page.goto(`file://${dir}/index.html`);
  await page.keyboard.press("Tab");
  ok((await focus()).includes("Skip"), "the first Tab: skip to the content");
  ok(await page.evaluate(() => document.activeElement.getBoundingClientRect().left >= 0), "which is seen then");
  await page.keyboard.press("Enter");
  ok((await focus()) === "MAIN main", "Enter goes there");
  await page.keyboard.press("/");
  ok((await focus()) === "INPUT filter", "/ goes to the filter");
  const all = await page.locator("#fleet tbody tr:visible").count();
  const base = await page.locator("#fleet tbody tr th a").last().textContent();
  await page.keyboard.type(base);
  const some = await page.locator("#fleet tbody tr:visible").count();
  ok(some > 0 && some < all, `${some} of ${all} rows have "${base}"`);
  ok((await page.locator("output").textContent()).includes(`${some} / ${all}`), "and that is said");
  ok(page.url().includes(`#filter=${base}`), "the address keeps it");
  await page.reload();
  ok((await page.locator("#fleet tbody tr:visible").count()) === some, "so that it is there again");
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  ok((await page.locator("#fleet tbody tr:visible").count()) === all, "Escape shows all");
  await page.keyboard.press("Tab");
  ok((await focus()).startsWith("A "), "Tab goes on to the first link of the table");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  ok(outline !== "none", "what has the focus is seen");
  await Promise.all([page.waitForURL(/base\//), page.keyboard.press("Enter")]);
  ok(true, "Enter follows it");
  let walked = [];
  for (let i = 0; i < 8; i += 1) {
    await page.keyboard.press("Tab");
    walked.push(await focus());
  }
  ok(walked.some((text) => text.startsWith("A Calendar")) && new Set(walked).size >= 4, "Tab walks on there");
  ok(page.troubles.length === 0, `nothing on the console ${page.troubles}`);
  await page.context().close();
}

async function large(browser, dir, rows) {
  const page = await open(browser, { viewport: { width: 1280, height: 800 } });
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const script = async () => (await session.send("Performance.getMetrics")).metrics
    .find((metric) => metric.name === "ScriptDuration").value;
  await page.goto(`file://${dir}/index.html`);
  ok((await page.locator("#fleet tbody tr").count()) === Number(rows), `${rows} rows`);
  const loaded = await script();
  const name = await page.evaluate(() => document.querySelector("#fleet tbody tr:last-child th").textContent);
  await page.fill("#filter", name);
  await page.waitForFunction(() => document.querySelector("output").textContent !== "");
  const done = await script();
  const left = await page.evaluate(() => document.querySelectorAll("#fleet tbody tr:not([hidden])").length);
  ok(left > 0 && left < Number(rows), `${left} rows have "${name}"`);
  console.log(`# script: ${(loaded * 1000).toFixed(0)} ms to load, ${((done - loaded) * 1000).toFixed(0)} ms to filter`);
  console.log(`script-ms ${(done * 1000).toFixed(0)}`);
  await page.context().close();
}

(async () => {
  const [command, ...args] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    await { pages, keys, large }[command](browser, ...args);
  } finally {
    await browser.close();
  }
  console.log(`1..${count}`);
  process.exit(failed ? 1 : 0);
})();
