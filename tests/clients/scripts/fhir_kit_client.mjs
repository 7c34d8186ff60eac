// npm fhir-kit-client: all that its Client offers.
import { Client } from "fhir-kit-client";
import { BASE, TOKEN, assert, call, cholesterol, ids, patient, report } from "./calls.mjs";

const client = new Client({ baseUrl: BASE, bearerToken: TOKEN });
let kit, last, page, second;

await call("capabilityStatement", async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, "4.0.1");
});
await call("smartAuthMetadata", async () => {
  const found = await client.smartAuthMetadata();
  assert.match(String(found.tokenUrl), /\/oauth\/token$/);
  assert.match(String(found.authorizeUrl), /\/oauth\/authorize$/);
});
await call("create", async () => {
  kit = await client.create({ resourceType: "Patient", body: patient("Kit") });
  assert.equal(kit.meta.versionId, "1");
});
await call("create If-None-Exist", async () => {
  const options = { headers: { "If-None-Exist": "identifier=urn:oid:2.25.7|mrn-Kit" } };
  const again = await client.create({ resourceType: "Patient", body: patient("Kit"), options });
  assert.equal(again.id, kit.id);
});
await call("read", async () => {
  assert.deepEqual(await client.read({ resourceType: "Patient", id: kit.id }), kit);
});
await call("update", async () => {
  const body = { ...kit, gender: "other" };
  const options = { headers: { "If-Match": 'W/"1"' } };
  const updated = await client.update({ resourceType: "Patient", id: kit.id, body, options });
  assert.equal(updated.meta.versionId, "2");
});
await call("update If-Match refused", async () => {
  const options = { headers: { "If-Match": 'W/"1"' } };
  const stale = client.update({ resourceType: "Patient", id: kit.id, body: { ...kit, gender: "male" }, options });
  await assert.rejects(stale, error => error.response.status === 412
    && error.response.data.resourceType === "OperationOutcome");
});
await call("update by criteria", async () => {
  const { id, meta, ...body } = { ...kit, gender: "unknown" };
  const searchParams = { identifier: "urn:oid:2.25.7|mrn-Kit" };
  const updated = await client.update({ resourceType: "Patient", searchParams, body });
  assert.equal(updated.id, kit.id);
  assert.equal(updated.gender, "unknown");
});
await call("patch", async () => {
  const jsonPatch = [{ op: "replace", path: "/gender", value: "male" }];
  last = await client.patch({ resourceType: "Patient", id: kit.id, jsonPatch });
  assert.equal(last.gender, "male");
  assert.equal(last.meta.versionId, "4");
});
await call("vread", async () => {
  assert.deepEqual(await client.vread({ resourceType: "Patient", id: kit.id, version: "1" }), kit);
});
await call("transaction", async () => {
  const entry = [1, 2, 3, 4, 5].map(day => ({
    resource: cholesterol(`Patient/${kit.id}`, 1 + day / 10, `2026-03-0${day}`),
    request: { method: "POST", url: "Observation" },
  }));
  const done = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry } });
  assert.deepEqual(done.entry.map(each => each.response.status.slice(0, 3)), Array(5).fill("201"));
});
await call("batch", async () => {
  const entry = [`Patient/${kit.id}`, "Patient/nobody", `Observation?patient=${kit.id}&_summary=count`]
    .map(url => ({ request: { method: "GET", url } }));
  const done = await client.batch({ body: { resourceType: "Bundle", type: "batch", entry } });
  assert.deepEqual(done.entry.map(each => each.response.status.slice(0, 3)), ["200", "404", "200"]);
  assert.equal(done.entry[2].resource.total, 5);
});
await call("resourceSearch", async () => {
  const searchParams = { patient: kit.id, code: ["http://loinc.org|2085-9"], _sort: "-date", _count: 2 };
  page = await client.resourceSearch({ resourceType: "Observation", searchParams });
  assert.equal(page.type, "searchset");
  assert.equal(page.entry.length, 2);
  assert.equal(page.entry[0].resource.effectiveDateTime, "2026-03-05");
});
await call("search by POST", async () => {
  const options = { postSearch: true };
  const searchParams = { patient: kit.id, _count: 1 };
  const found = await client.search({ resourceType: "Observation", searchParams, options });
  assert.equal(found.entry.length, 1);
});
await call("search with _include", async () => {
  const searchParams = { patient: kit.id, _include: "Observation:subject" };
  const found = await client.search({ resourceType: "Observation", searchParams });
  assert.deepEqual(ids(found).filter(id => id === kit.id), [kit.id]);
});
await call("nextPage", async () => {
  second = await client.nextPage({ bundle: page });
  assert.equal(second.entry.length, 2);
  assert.equal(ids(second).some(id => ids(page).includes(id)), false);
  const third = await client.nextPage({ bundle: second });
  assert.equal(third.entry.length, 1);
  assert.equal(client.nextPage({ bundle: third }), undefined);
});
await call("prevPage", async () => {
  assert.deepEqual(ids(await client.prevPage({ bundle: second })), ids(page));
});
await call("systemSearch", async () => {
  const searchParams = { _id: kit.id, _type: "Patient,Observation" };
  assert.deepEqual(ids(await client.systemSearch({ searchParams })), [kit.id]);
});
await call("compartmentSearch", async () => {
  const compartment = { resourceType: "Patient", id: kit.id };
  const found = await client.compartmentSearch({ resourceType: "Observation", compartment });
  assert.equal(found.entry.length, 5);
});
await call("resourceHistory", async () => {
  const found = await client.resourceHistory({ resourceType: "Patient", id: kit.id });
  assert.deepEqual(found.entry.map(each => each.resource.meta.versionId), ["4", "3", "2", "1"]);
});
await call("typeHistory", async () => {
  assert.equal((await client.typeHistory({ resourceType: "Patient" })).type, "history");
});
await call("systemHistory", async () => {
  assert.equal((await client.systemHistory()).type, "history");
});
await call("operation of an instance", async () => {
  const found = await client.operation({ name: "everything", resourceType: "Patient", id: kit.id, method: "GET" });
  assert.equal(found.entry.filter(each => each.resource.resourceType === "Observation").length, 5);
});
await call("operation of a type", async () => {
  const input = { resourceType: "Parameters", parameter: [{ name: "resource", resource: patient("Valid") }] };
  const found = await client.operation({ name: "$validate", resourceType: "Patient", input });
  assert.equal(found.resourceType, "OperationOutcome");
  assert.equal(found.issue.some(issue => issue.severity === "error"), false);
});
await call("resolve", async () => {
  const observation = page.entry[0].resource;
  const reference = observation.subject.reference;
  assert.equal((await client.resolve({ reference, context: observation })).id, kit.id);
  assert.equal((await client.resolve({ reference: `${BASE}/Patient/${kit.id}` })).id, kit.id);
});
await call("request", async () => {
  assert.equal((await client.request(`Patient/${kit.id}`)).id, kit.id);
});
await call("delete", async () => {
  const { id } = page.entry[0].resource;
  await client.delete({ resourceType: "Observation", id });
  await assert.rejects(client.read({ resourceType: "Observation", id }), error => error.response.status === 410);
});
report();
