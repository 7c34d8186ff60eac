// Scenarios in headless Chromium: node drive.mjs NAME. Prints what the application showed as JSON.
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
context.setDefaultTimeout(200000);  // ends what hangs; no measure of speed
const page = await context.newPage();
const refusals = [];
page.on("console", message => { if (message.type() === "error") refusals.push(message.text()); });

async function signIn(name = "clara") {
  await page.fill("#username", name);
  await page.fill("#password", PASSWORD);
  await page.click("button[type=submit]");
}

async function allow(patient) {
  await page.waitForSelector("button[value=allow]");
  if (patient) await page.check(`input[name=patient][value=${patient}]`);
  await page.click("button[value=allow]");
}

async function shown() {
  await page.waitForFunction(() => document.getElementById("shown")?.textContent, null, { timeout: 200000 });
  return JSON.parse(await page.textContent("#shown"));
}

async function sampleApp() {
  await page.waitForFunction(
    () => !document.getElementById("record")?.hidden || document.querySelector("#status.failed"), null, { timeout: 200000 });
  return page.evaluate(() => ({
    status: document.getElementById("status").textContent,
    patient: document.getElementById("record").dataset.patient || null,
    name: document.getElementById("name").textContent,
    kind: document.getElementById("kind").textContent,
    scope: document.getElementById("scope").textContent,
    predictions: [...document.querySelectorAll("#predictions li")].map(item => item.innerText.replaceAll("\n", " ")),
    results: [...document.querySelectorAll("#results tr")].map(row => [...row.cells].map(cell => cell.textContent)),
    address: location.href,
    kept: sessionStorage.length + localStorage.length,
  }));
}

const choices = () => page.$$eval("input[name=patient]", found => found.map(item => item.value).sort());

// What reaches beyond the right edge, and no box around it scrolls.
const beyond = () => page.evaluate(() => {
  const scrolls = node => {
    for (let box = node.parentElement; box; box = box.parentElement) {
      if (/auto|scroll|hidden/.test(getComputedStyle(box).overflowX) && box !== document.documentElement && box !== document.body)
        return true;
    }
    return false;
  };
  return {
    title: document.querySelector("h1").textContent,
    rows: document.querySelectorAll(".stacked tr").length,
    // Rows that stand one below the other on a telephone: nothing of them has to be scrolled to, even in a box.
    stacked: [...document.querySelectorAll(".stacked tbody *")]
      .filter(node => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map(node => `${node.tagName} ${node.textContent.slice(0, 40)}`),
    width: document.documentElement.clientWidth,
    needs: document.documentElement.scrollWidth,
    nodes: [...document.querySelectorAll("body *")]
      .filter(node => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !scrolls(node))
      .map(node => `${node.tagName} ${node.className.baseVal ?? node.className} ${node.textContent.slice(0, 40)}`),
  };
});

const scenarios = {
  async narrow() {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(ROOT + process.env.LINK);
    const pages = {};
    for (const path of process.env.PATHS.split(" ")) {
      await page.goto(ROOT + path);
      await page.$$eval("details", found => found.forEach(item => { item.open = true; }));
      pages[path] = await beyond();
    }
    return { pages };
  },
  async sampleFromPage() {
    await page.goto(ROOT + process.env.LINK);
    await page.goto(`${ROOT}/patients/anna`);
    await page.click("#apps button:text('Sample app')");
    await allow(null);
    return sampleApp();
  },
  async sampleStandalone() {
    await page.goto(`${ROOT}/sample-app/`);
    await page.click("#start");
    await signIn();
    await page.waitForSelector("button[value=allow]");
    const offered = await choices();
    await allow("bert");
    return { offered, ...await sampleApp() };
  },
  async samplePatient() {
    await page.goto(`${ROOT}/sample-app/index.html`);
    await page.click("#start");
    await signIn("anna");
    await page.waitForSelector("button[value=allow]");
    const offered = await choices();
    if (process.env.CHOOSE) {
      await page.$eval("input[name=patient]", (item, value) => { item.value = value; }, process.env.CHOOSE);
    }
    await allow(null);
    return { offered, ...await sampleApp() };
  },
  async sampleForged() {
    await page.goto(`${ROOT}/sample-app/index.html?code=stolen&state=guessed&iss=${encodeURIComponent(ROOT)}`);
    return sampleApp();
  },
  async sampleElsewhere() {
    await page.goto(`${ROOT}/sample-app/launch.html?iss=${encodeURIComponent("https://evil.example/fhir")}&launch=x`);
    await page.waitForSelector("#status.failed");
    return { status: await page.textContent("#status") };
  },
  async standalone() {
    await page.goto(`${APP}/launch.html?iss=${encodeURIComponent(ROOT + "/fhir")}`);
    await signIn();
    await allow("anna");
    return shown();
  },
  async results() {
    await page.goto(`${APP}/launch.html?page=results&iss=${encodeURIComponent(ROOT + "/fhir")}`);
    await signIn();
    await allow(process.env.PATIENT);
    return shown();
  },
  async viewer() {
    await page.goto(`${APP}/launch.html?page=viewer&iss=${encodeURIComponent(ROOT + "/fhir")}`);
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
