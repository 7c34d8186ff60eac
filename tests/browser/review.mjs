// The review page in headless Chromium: takes, undoes, searches, approves in bulk, downloads. Prints what it saw as JSON.
import { readFileSync } from "node:fs";
const { chromium } = await import(process.env.PLAYWRIGHT);
const { ADDRESS, CHROMIUM, PROFILE } = process.env;
const context = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  colorScheme: "dark",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});
context.setDefaultTimeout(200000);  // ends what hangs; no measure of speed
const page = await context.newPage();
const refusals = [];
page.on("console", message => { if (message.type() === "error") refusals.push(message.text()); });
page.on("dialog", dialog => dialog.accept("https://hospital.example.org/fhir/ConceptMap/lab"));
const decided = async text => {
  await page.waitForFunction(wanted => document.getElementById("count").textContent.startsWith(wanted), text, { timeout: 200000 });
};
const seen = {};
const began = Date.now();
await page.goto(ADDRESS);
await decided("0 of");
seen.loaded = Date.now() - began;
seen.cards = await page.locator("article").count();
seen.background = await page.evaluate(() => getComputedStyle(document.querySelector("header")).backgroundColor);
seen.unlabelled = await page.evaluate(() => [...document.querySelectorAll("input, select, button")]
  .filter(one => !(one.labels?.length || one.ariaLabel || one.textContent.trim())).map(one => one.outerHTML));

const first = await page.locator("article h2").first().textContent();
await page.locator("article").first().locator("button.take").first().focus();
await page.keyboard.press("Enter");
await decided("1 of");
seen.focused = await page.evaluate(() => document.activeElement.closest("article")?.querySelector("h2").textContent ?? null);
seen.next = await page.locator("article h2").first().textContent();
await page.click("#undo");
await decided("0 of");
seen.undone = (await page.locator("article h2").first().textContent()) === first;

const third = page.locator("article").nth(2);
await third.locator("input[type=search]").fill("Natrium im Urin");
await third.locator("input[type=search]").press("Enter");
await third.locator("td.code", { hasText: "2955-3" }).waitFor();
await third.locator("tr", { hasText: "2955-3" }).locator("button.take").click();
await decided("1 of");

const bulk = Date.now();
await page.fill("#score", "0.9");
await page.click("#approve");
await page.waitForFunction(() => parseInt(document.getElementById("count").textContent) > 1, null, { timeout: 200000 });
seen.approved = Date.now() - bulk;
seen.count = await page.textContent("#count");

await page.selectOption("#which", "all");
await page.fill("#find", "Kalium 77");
seen.found = await page.locator("article").count();

const [download] = await Promise.all([page.waitForEvent("download"), page.click("#map")]);
const made = JSON.parse(readFileSync(await download.path(), "utf8"));
seen.map = { url: made.url, rows: made.group.flatMap(group => group.element).length };
seen.refusals = refusals;
console.log(JSON.stringify(seen));
await context.close();
