// npm @medplum/core: its client's FHIR methods. GraphQL aside, which this server does not serve.
import { BASE, ROOT, TOKEN, assert, call, cholesterol, ids, patient, report } from "./calls.mjs";

globalThis.WebSocket ??= class extends EventTarget {};  // Node 20 has none; the package only names it
const { MedplumClient } = await import("@medplum/core");

const medplum = new MedplumClient({ baseUrl: `${ROOT}/`, fhirUrlPath: "fhir", accessToken: TOKEN, fetch, cacheTime: 0 });
let made, of;

await call("createResource", async () => {
  made = await medplum.createResource(patient("Plum"));
  of = `Patient/${made.id}`;
  assert.equal(made.meta.versionId, "1");
});
await call("createResourceIfNoneExist", async () => {
  const query = "identifier=urn:oid:2.25.7|mrn-Plum";
  assert.equal((await medplum.createResourceIfNoneExist(patient("Plum"), query)).id, made.id);
});
await call("readResource", async () => {
  assert.deepEqual(await medplum.readResource("Patient", made.id), made);
});
await call("readReference", async () => {
  assert.equal((await medplum.readReference({ reference: of })).id, made.id);
});
await call("updateResource", async () => {
  assert.equal((await medplum.updateResource({ ...made, gender: "other" })).meta.versionId, "2");
});
await call("updateResource unchanged", async () => {
  const now = await medplum.readResource("Patient", made.id, { cache: "reload" });
  assert.equal((await medplum.updateResource(now)).meta.versionId, "2");
});
await call("upsertResource", async () => {
  const query = { identifier: "urn:oid:2.25.7|mrn-Plum" };
  const updated = await medplum.upsertResource({ ...patient("Plum"), gender: "male" }, query);
  assert.equal(updated.id, made.id);
  assert.equal(updated.gender, "male");
});
await call("patchResource", async () => {
  const patched = await medplum.patchResource("Patient", made.id, [
    { op: "test", path: "/gender", value: "male" },
    { op: "replace", path: "/birthDate", value: "1962-04-05" },
  ]);
  assert.equal(patched.birthDate, "1962-04-05");
});
await call("readVersion", async () => {
  assert.equal((await medplum.readVersion("Patient", made.id, "1")).birthDate, "1961-04-05");
});
await call("readHistory", async () => {
  const found = await medplum.readHistory("Patient", made.id);
  assert.deepEqual(found.entry.map(each => each.resource.meta.versionId), ["4", "3", "2", "1"]);
});
await call("executeBatch", async () => {
  const entry = [1, 2, 3].map(day => ({
    resource: cholesterol(of, 1 + day / 10, `2026-03-0${day}`),
    request: { method: "POST", url: "Observation" },
  }));
  const done = await medplum.executeBatch({ resourceType: "Bundle", type: "transaction", entry });
  assert.deepEqual(done.entry.map(each => each.response.status.slice(0, 3)), ["201", "201", "201"]);
});
await call("search", async () => {
  const found = await medplum.search("Observation", { subject: of, _sort: "-date", _count: "2" });
  assert.equal(found.entry.length, 2);
  assert.equal(found.entry[0].resource.effectiveDateTime, "2026-03-03");
});
await call("searchOne", async () => {
  assert.equal((await medplum.searchOne("Patient", "identifier=urn:oid:2.25.7|mrn-Plum")).id, made.id);
});
await call("searchResources", async () => {
  const found = await medplum.searchResources("Observation", { subject: of, _total: "accurate" });
  assert.equal(found.length, 3);
  assert.equal(found.bundle.total, 3);
});
await call("searchResourcePages", async () => {
  const sizes = [];
  for await (const some of medplum.searchResourcePages("Observation", { subject: of, _count: 2 })) sizes.push(some.length);
  assert.deepEqual(sizes, [2, 1]);
});
await call("search in batches of itself", async () => {
  const together = new MedplumClient({
    baseUrl: `${ROOT}/`, fhirUrlPath: "fhir", accessToken: TOKEN, fetch, cacheTime: 0, autoBatchTime: 50,
  });
  const found = await Promise.all([
    together.readResource("Patient", made.id), together.search("Observation", { subject: of }),
  ]);
  assert.equal(found[0].id, made.id);
  assert.equal(found[1].entry.length, 3);
});
await call("readPatientEverything", async () => {
  const found = await medplum.readPatientEverything(made.id);
  assert.equal(ids(found).length, 4);
});
await call("readPatientSummary", async () => {
  const found = await medplum.readPatientSummary(made.id);
  assert.equal(found.type, "document");
});
await call("validateResource", async () => {
  const found = await medplum.validateResource(patient("Valid"));
  assert.equal(found.resourceType, "OperationOutcome");
});
await call("valueSetExpand", async () => {
  const found = await medplum.valueSetExpand({ url: "http://hl7.org/fhir/ValueSet/administrative-gender", filter: "fem" });
  assert.deepEqual(found.expansion.contains.map(each => each.code), ["female"]);
});
await call("createBinary", async () => {
  const binary = await medplum.createBinary({
    data: "seen", contentType: "text/plain", securityContext: { reference: of },
  });
  assert.equal(await (await medplum.download(`${BASE}/Binary/${binary.id}`)).text(), "seen");
});
await call("bulkExport", async () => {
  const done = await medplum.bulkExport("Patient", "Observation", undefined, { pollStatusOnAccepted: true, pollStatusPeriod: 200 });
  const lines = (await (await medplum.download(done.output[0].url)).text()).trim().split("\n").map(JSON.parse);
  assert.ok(lines.filter(each => each.subject.reference === of).length === 3);
});
await call("errors", async () => {
  await assert.rejects(medplum.readResource("Patient", "nobody"), error => error.outcome.resourceType === "OperationOutcome");
  await assert.rejects(medplum.createResource({ resourceType: "Patient", gender: "none" }),
    error => error.outcome.issue[0].details.text.includes("gender") || error.outcome.issue[0].expression[0] === "Patient.gender");
});
await call("deleteResource", async () => {
  const one = await medplum.searchOne("Observation", { subject: of });
  await medplum.deleteResource("Observation", one.id);
  await assert.rejects(medplum.readResource("Observation", one.id, { cache: "reload" }));
});
report();
