// Scenarios in headless Chromium: node drive.mjs standalone|ehr|deny. Prints what the application showed as JSON.
const { chromium } = await import(process.env.PLAYWRIGHT);
const { ROOT, APP, CHROMIUM, PROFILE, PASSWORD } = process.env;

const context = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
const page = await context.newPage();
const refusals = [];
page.on("console", message => { if (message.type() === "error") refusals.push(message.text()); });

async function signIn() {
  await page.fill("#username", "clara");
  await page.fill("#password", PASSWORD);
  await page.click("button[type=submit]");
}

async function allow(patient) {
  await page.waitForSelector("button[value=allow]");
  if (patient) await page.check(`input[name=patient][value=${patient}]`);
  await page.click("button[value=allow]");
}

async function shown() {
  await page.waitForFunction(() => document.getElementById("shown")?.textContent, null, { timeout: 30000 });
  return JSON.parse(await page.textContent("#shown"));
}

const scenarios = {
  async standalone() {
    await page.goto(`${APP}/launch.html?iss=${encodeURIComponent(ROOT + "/fhir")}`);
    await signIn();
    await allow("anna");
    return shown();
  },
  async ehr() {
    await page.goto(`${ROOT}/smart/launch?patient=anna`);
    await signIn();
    await page.selectOption("select[name=patient]", "anna");
    await page.click("text=Open Browser app");
    await allow(null);
    return shown();
  },
  async deny() {
    await page.goto(`${APP}/launch.html?iss=${encodeURIComponent(ROOT + "/fhir")}`);
    await signIn();
    await page.waitForSelector("button[value=deny]");
    await page.click("button[value=deny]");
    return shown();
  },
};

try {
  const result = await scenarios[process.argv[2]]();
  console.log(JSON.stringify({ ...result, at: page.url().split("?")[0], refusals }));
} catch (error) {
  console.error(String(error), page.url(), (await page.content()).slice(0, 2000), refusals);
  process.exitCode = 1;
} finally {
  await context.close();
}
