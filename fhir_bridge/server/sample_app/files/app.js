// A SMART App Launch 2.2 client without libraries. launch.html begins an EHR launch, index.html a standalone one;
// both come back to index.html. The token stays in this page's memory; whatever the server sends is shown as text.
"use strict";

const CLIENT = "sample-app";
const SCOPES = "patient/Patient.rs patient/Observation.rs";
const FHIR = new URL("../fhir", location.href).href;
const REDIRECT = new URL("index.html", location.href).href;
const AI_LABEL = "AIAST";
const REFUSED = "dataAbsentReason";

const byId = id => document.getElementById(id);

function say(text, failed = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("failed", failed);
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

// Numbers stay as they were written, where the browser tells how: 6.0 mmol/L is not 6.
const asWritten = (_name, value, context) => (typeof value === "number" && context?.source) || value;

async function json(address, options) {
  const response = await fetch(address, { cache: "no-store", credentials: "omit", redirect: "error", ...options });
  const text = await response.text();
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  const body = isJson ? JSON.parse(text, asWritten) : {};
  if (!response.ok) {
    const why = body.error_description || body.issue?.map(issue => issue.diagnostics || issue.details?.text).join("; ");
    throw new Error(`${response.status} ${why || "the server refused"}`);
  }
  return body;
}

// --- authorization ---------------------------------------------------------------------------------------------------

async function discover() {
  const found = await json(`${FHIR}/.well-known/smart-configuration`);
  if (!found.code_challenge_methods_supported?.includes("S256")) throw new Error("the server has no PKCE with S256");
  return found;
}

async function authorize(launch) {
  if (!window.isSecureContext) throw new Error("this app needs https, or a loopback address");
  const server = await discover();
  const verifier = random() + random().slice(0, 21);
  const challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
  const state = random();
  const kept = { verifier, issuer: server.issuer, token: server.token_endpoint, kind: launch ? "EHR" : "standalone" };
  sessionStorage.setItem(`sample-app ${state}`, JSON.stringify(kept));
  const request = new URLSearchParams({
    response_type: "code", client_id: CLIENT, redirect_uri: REDIRECT, aud: FHIR, state,
    scope: `${launch ? "launch" : "launch/patient"} ${SCOPES}`,
    code_challenge: challenge, code_challenge_method: "S256",
  });
  if (launch) request.set("launch", launch);
  location.assign(`${server.authorization_endpoint}?${request}`);
}

async function complete(answer) {
  const name = `sample-app ${answer.get("state")}`;
  const kept = JSON.parse(sessionStorage.getItem(name) || "null");
  sessionStorage.removeItem(name);
  history.replaceState(null, "", REDIRECT);  // the code serves once and need not stay in the address
  if (!kept) throw new Error("this answer belongs to no request of this app");
  if (answer.get("iss") !== kept.issuer) throw new Error("the answer comes from another server (iss)");
  if (answer.has("error")) throw new Error(answer.get("error_description") || answer.get("error"));
  const form = new URLSearchParams({
    grant_type: "authorization_code", code: answer.get("code"), redirect_uri: REDIRECT, client_id: CLIENT,
    code_verifier: kept.verifier,
  });
  const granted = await json(kept.token, { method: "POST", body: form });
  if (!granted.patient) throw new Error("no patient was chosen");
  return { ...granted, kind: kept.kind };
}

// --- the record ------------------------------------------------------------------------------------------------------

async function observations(get, query) {
  const bundle = await get(`Observation?${query}`);
  return (bundle.entry || []).filter(entry => entry.search?.mode === "match").map(entry => entry.resource);
}

async function show(granted) {
  say("Reading the record …");
  const headers = { Authorization: `Bearer ${granted.access_token}`, Accept: "application/fhir+json" };
  const get = path => json(`${FHIR}/${path}`, { headers });
  const of = `patient=${encodeURIComponent(granted.patient)}`;
  const [patient, newest, predicted] = await Promise.all([
    get(`Patient/${encodeURIComponent(granted.patient)}`),
    observations(get, `${of}&_sort=-date&_count=20`),
    observations(get, `${of}&_security=${AI_LABEL}&_count=20`),
  ]);
  byId("name").textContent = nameOf(patient);
  byId("facts").textContent = [patient.gender, patient.birthDate && `born ${patient.birthDate}`].filter(Boolean).join(", ");
  byId("kind").textContent = granted.kind;
  byId("scope").textContent = granted.scope;
  const current = predicted.filter(isCurrent);
  byId("predictions").replaceChildren(...current.map(prediction));
  if (!current.length) byId("predictions").append(element("li", "None."));
  byId("results").replaceChildren(...newest.filter(item => !isPrediction(item)).slice(0, 10).map(result));
  byId("record").dataset.patient = patient.id;
  byId("record").hidden = false;
  say("");
}

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const textOf = concept => concept?.text || concept?.coding?.find(coding => coding.display)?.display
  || concept?.coding?.[0]?.code || "";

function nameOf(patient) {
  const name = patient.name?.[0] || {};
  return name.text || [...(name.given || []), name.family].filter(Boolean).join(" ") || `Patient ${patient.id}`;
}

// A result that a newer one took the place of, or whose input was wrong, is not a result any more.
const isCurrent = item => item.status !== "entered-in-error" && !item.meta?.tag?.some(tag => tag.code === "superseded");

const isPrediction = item => Boolean(item.meta?.security?.some(label => label.code === AI_LABEL));

function quantity(value) {
  return [value.comparator, value.value, value.unit || value.code].filter(part => part !== undefined).join(" ");
}

function valueOf(item) {
  if (item.valueQuantity) return quantity(item.valueQuantity);
  if (item.valueCodeableConcept) return textOf(item.valueCodeableConcept);
  const simple = ["valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime"].find(name => name in item);
  if (simple) return String(item[simple]);
  if (item[REFUSED]) return `no value: ${textOf(item[REFUSED])}`;
  const parts = (item.component || []).map(part => [textOf(part.code), valueOf(part)].filter(Boolean).join(" "));
  return parts.slice(0, 3).join(", ") + (parts.length > 3 ? ", …" : "");
}

function result(item) {
  const row = element("tr");
  const date = (item.effectiveDateTime || item.effectivePeriod?.start || item.issued || "").slice(0, 10);
  row.append(...[date, textOf(item.code), valueOf(item), item.status].map(text => element("td", text)));
  return row;
}

function prediction(item) {
  const shown = element("li");
  shown.append(element("span", "prediction", "label"), " ", element("strong", textOf(item.code)));
  if (item[REFUSED]) {
    shown.className = "refused";
    shown.append(element("div", `not given: ${textOf(item[REFUSED])}`));
  } else {
    shown.append(element("div", valueOf(item)));
  }
  shown.append(element("div", `status ${item.status}, ${(item.effectiveDateTime || item.issued || "").slice(0, 10)}`, "how"));
  return shown;
}

// --- start -----------------------------------------------------------------------------------------------------------

async function run() {
  const query = new URLSearchParams(location.search);
  if (document.body.dataset.page === "launch") {
    if (query.get("iss") !== FHIR) throw new Error("this app talks to its own server only (iss)");
    if (!query.get("launch")) throw new Error("an EHR launch brings the parameter launch");
    return authorize(query.get("launch"));
  }
  byId("start").addEventListener("click", () => authorize(null).catch(failed));
  if (query.has("state")) return show(await complete(query));
  byId("start").hidden = false;
  return undefined;
}

function failed(error) {
  say(`It did not work: ${error.message}`, true);
  if (byId("start")) byId("start").hidden = false;
}

run().catch(failed);
