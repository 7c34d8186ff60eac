// Calls of a client, each tried by itself: prints {name: "ok" or what was wrong} as JSON at the end.
import assert from "node:assert/strict";

const outcomes = {};

export async function call(name, action) {
  try {
    outcomes[name] = (await action()) ?? "ok";
  } catch (error) {
    outcomes[name] = `${error.message}\n${JSON.stringify(error.response?.data ?? error.outcome ?? error.stack)}`;
  }
}

export function report() {
  console.log(JSON.stringify(outcomes));
}

export const ids = bundle => (bundle.entry ?? []).map(entry => entry.resource.id);
export const link = (bundle, relation) => bundle.link.find(each => each.relation === relation)?.url;
export const { BASE, TOKEN, ROOT } = process.env;
export { assert };

export const patient = family => ({
  resourceType: "Patient",
  identifier: [{ system: "urn:oid:2.25.7", value: `mrn-${family}` }],
  name: [{ family, given: ["Ada"] }],
  gender: "female",
  birthDate: "1961-04-05",
});

export const cholesterol = (subject, value, day) => ({
  resourceType: "Observation",
  status: "final",
  category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "laboratory" }] }],
  code: { coding: [{ system: "http://loinc.org", code: "2085-9" }] },
  subject: { reference: subject },
  effectiveDateTime: day,
  valueQuantity: { value, unit: "mmol/L", system: "http://unitsofmeasure.org", code: "mmol/L" },
});
