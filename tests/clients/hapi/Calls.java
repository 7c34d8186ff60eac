// The client of HAPI FHIR (Java), each call tried by itself: prints {name: "ok" or what was wrong} as JSON at the end.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.api.SearchTotalModeEnum;
import ca.uhn.fhir.rest.api.SummaryEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.server.exceptions.UnprocessableEntityException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeType;
import org.hl7.fhir.r4.model.DateTimeType;
import org.hl7.fhir.r4.model.Enumerations.AdministrativeGender;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Meta;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Quantity;
import org.hl7.fhir.r4.model.Reference;
import org.hl7.fhir.r4.model.StringType;

public class Calls {
    interface Action { void run() throws Exception; }

    static final Map<String, String> OUTCOMES = new LinkedHashMap<>();

    static void call(String name, Action action) {
        try {
            action.run();
            OUTCOMES.put(name, "ok");
        } catch (Throwable error) {
            OUTCOMES.put(name, String.valueOf(error));
        }
    }

    static void check(Object actual, Object expected) {
        if (!String.valueOf(actual).equals(String.valueOf(expected))) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }

    static Patient patient() {
        Patient patient = new Patient();
        patient.addIdentifier().setSystem("urn:oid:2.25.7").setValue("mrn-Hapi");
        patient.addName().setFamily("Hapi").addGiven("Ada");
        patient.setGender(AdministrativeGender.FEMALE);
        return patient;
    }

    static Observation cholesterol(IdType subject, int day) {
        Observation observation = new Observation();
        observation.setStatus(Observation.ObservationStatus.FINAL);
        observation.getCode().addCoding().setSystem("http://loinc.org").setCode("2085-9");
        observation.setSubject(new Reference(subject.toUnqualifiedVersionless()));
        observation.setEffective(new DateTimeType("2026-03-0" + day));
        observation.setValue(new Quantity().setValue(new BigDecimal("1." + day)).setUnit("mmol/L")
            .setSystem("http://unitsofmeasure.org").setCode("mmol/L"));
        return observation;
    }

    public static void main(String[] arguments) {
        String base = System.getenv("BASE");
        FhirContext context = FhirContext.forR4();
        context.getRestfulClientFactory().setSocketTimeout(120_000);
        // ServerValidationMode stays as it is: the client reads /metadata first.
        IGenericClient client = context.newRestfulGenericClient(base);
        client.registerInterceptor(new BearerTokenAuthInterceptor(System.getenv("TOKEN")));
        String criteria = "Patient?identifier=urn:oid:2.25.7|mrn-Hapi";
        IdType[] ids = new IdType[2];
        Bundle[] pages = new Bundle[2];

        call("capabilities", () -> {
            CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
            check(statement.getFhirVersion().toCode(), "4.0.1");
        });
        call("create", () -> {
            MethodOutcome outcome = client.create().resource(patient()).prefer(PreferReturnEnum.REPRESENTATION).execute();
            check(outcome.getCreated(), true);
            ids[0] = (IdType) outcome.getId();
            check(((Patient) outcome.getResource()).getNameFirstRep().getFamily(), "Hapi");
        });
        call("create conditional", () -> {
            MethodOutcome outcome = client.create().resource(patient()).conditionalByUrl(criteria).execute();
            check(outcome.getId().getIdPart(), ids[0].getIdPart());
        });
        call("read", () -> check(client.read().resource(Patient.class).withId(ids[0].getIdPart()).execute()
            .getNameFirstRep().getFamily(), "Hapi"));
        call("read in XML", () -> check(client.read().resource(Patient.class).withId(ids[0].getIdPart()).encodedXml()
            .execute().getGender(), AdministrativeGender.FEMALE));
        call("read if changed", () -> {
            Patient known = client.read().resource(Patient.class).withId(ids[0].getIdPart()).execute();
            Patient same = client.read().resource(Patient.class).withId(ids[0].getIdPart())
                .ifVersionMatches(known.getIdElement().getVersionIdPart()).returnNull().execute();
            check(same, null);
        });
        call("update", () -> {
            Patient changed = patient();
            changed.setId(ids[0].toUnqualifiedVersionless());
            changed.setGender(AdministrativeGender.OTHER);
            check(client.update().resource(changed).execute().getId().getVersionIdPart(), "2");
        });
        call("update of a version", () -> {
            Patient stale = patient();
            stale.setId(ids[0].toUnqualifiedVersionless());
            try {
                client.update().resource(stale).withId(new IdType("Patient", ids[0].getIdPart(), "1"))
                    .withAdditionalHeader("If-Match", "W/\"1\"").execute();
                throw new AssertionError("an old version was replaced");
            } catch (PreconditionFailedException | ca.uhn.fhir.rest.server.exceptions.ResourceVersionConflictException e) {
                check(e.getOperationOutcome() instanceof OperationOutcome, true);
            }
        });
        call("update conditional", () -> {
            Patient changed = patient();
            changed.setGender(AdministrativeGender.UNKNOWN);
            check(client.update().resource(changed).conditionalByUrl(criteria).execute().getId().getIdPart(),
                ids[0].getIdPart());
        });
        call("patch (FHIRPath)", () -> {
            Parameters patch = new Parameters();
            Parameters.ParametersParameterComponent operation = patch.addParameter().setName("operation");
            operation.addPart().setName("type").setValue(new CodeType("replace"));
            operation.addPart().setName("path").setValue(new StringType("Patient.gender"));
            operation.addPart().setName("value").setValue(new CodeType("male"));
            MethodOutcome outcome = client.patch().withFhirPatch(patch).withId(ids[0].toUnqualifiedVersionless()).execute();
            check(((Patient) outcome.getResource()).getGender(), AdministrativeGender.MALE);
        });
        call("patch (JSON)", () -> client.patch()
            .withBody("[{\"op\":\"replace\",\"path\":\"/gender\",\"value\":\"female\"}]")
            .conditionalByUrl(criteria).execute());
        call("vread", () -> check(client.read().resource(Patient.class).withIdAndVersion(ids[0].getIdPart(), "1").execute()
            .getGender(), AdministrativeGender.FEMALE));
        call("history", () -> check(client.history().onInstance(ids[0].toUnqualifiedVersionless())
            .returnBundle(Bundle.class).execute().getEntry().size(), 5));
        call("transaction", () -> {
            List<IBaseResource> resources = new ArrayList<>();
            for (int day = 1; day <= 5; day++) {
                resources.add(cholesterol(ids[0], day));
            }
            check(client.transaction().withResources(resources).execute().size(), 5);
        });
        call("batch", () -> {
            Bundle batch = new Bundle().setType(Bundle.BundleType.BATCH);
            batch.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient/" + ids[0].getIdPart());
            batch.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient/nobody");
            Bundle done = client.transaction().withBundle(batch).execute();
            check(done.getEntry().get(0).getResponse().getStatus().substring(0, 3), "200");
            check(done.getEntry().get(1).getResponse().getStatus().substring(0, 3), "404");
        });
        call("search", () -> {
            pages[0] = client.search().forResource(Observation.class)
                .where(Observation.PATIENT.hasId(ids[0].getIdPart()))
                .and(Observation.CODE.exactly().systemAndValues("http://loinc.org", "30522-7", "2085-9"))
                .and(Observation.DATE.afterOrEquals().day("2026-03-01"))
                .and(Observation.VALUE_QUANTITY.greaterThan().number("1.05").andUnits("http://unitsofmeasure.org", "mmol/L"))
                .sort().descending(Observation.DATE).count(2).totalMode(SearchTotalModeEnum.ACCURATE)
                .returnBundle(Bundle.class).execute();
            check(pages[0].getTotal(), 5);
            check(pages[0].getEntry().size(), 2);
        });
        call("next page", () -> {
            pages[1] = client.loadPage().next(pages[0]).execute();
            check(pages[1].getEntry().size(), 2);
        });
        call("previous page", () -> check(client.loadPage().previous(pages[1]).execute().getEntryFirstRep().getFullUrl(),
            pages[0].getEntryFirstRep().getFullUrl()));
        call("search by POST", () -> check(client.search().forResource(Observation.class)
            .where(Observation.SUBJECT.hasChainedProperty(Patient.FAMILY.matches().value("Hapi"))).usingStyle(
                ca.uhn.fhir.rest.api.SearchStyleEnum.POST).returnBundle(Bundle.class).execute().getEntry().size(), 5));
        call("search with includes", () -> check(client.search().forResource(Observation.class)
            .where(Observation.PATIENT.hasId(ids[0].getIdPart())).include(Observation.INCLUDE_SUBJECT).count(1)
            .returnBundle(Bundle.class).execute().getEntry().size(), 2));
        call("search with reverse includes", () -> check(client.search().forResource(Patient.class)
            .where(Patient.RES_ID.exactly().code(ids[0].getIdPart())).revInclude(Observation.INCLUDE_PATIENT)
            .returnBundle(Bundle.class).execute().getEntry().size(), 6));
        call("search _has", () -> check(client.search().forResource(Patient.class)
            .where(Map.of("_has:Observation:patient:code", List.of(new ca.uhn.fhir.rest.param.TokenParam("2085-9"))))
            .and(Patient.FAMILY.matches().value("Hapi")).returnBundle(Bundle.class).execute().getEntry().size(), 1));
        call("search by URL, summary", () -> check(client.search().byUrl("Patient?family=Hapi")
            .summaryMode(SummaryEnum.COUNT).returnBundle(Bundle.class).execute().getTotal(), 1));
        call("$everything", () -> check(client.operation().onInstance(ids[0].toUnqualifiedVersionless()).named("$everything")
            .withNoParameters(Parameters.class).useHttpGet().returnResourceType(Bundle.class).execute().getEntry().size(), 6));
        call("$validate", () -> check(client.validate().resource(patient()).execute().getOperationOutcome()
            instanceof OperationOutcome, true));
        call("$meta", () -> client.meta().get(Meta.class).fromResource(ids[0].toUnqualifiedVersionless()).execute());
        call("$meta-add", () -> {
            Meta meta = new Meta();
            meta.addTag().setSystem("urn:oid:2.25.8").setCode("seen");
            client.meta().add().onResource(ids[0].toUnqualifiedVersionless()).meta(meta).execute();
            check(client.search().byUrl("Patient?_tag=urn:oid:2.25.8|seen").returnBundle(Bundle.class).execute()
                .getEntry().size(), 1);
        });
        call("errors name what is wrong", () -> {
            try {
                client.create().resource(new Observation().setStatus(Observation.ObservationStatus.FINAL)).execute();
                throw new AssertionError("an Observation without a code was stored");
            } catch (UnprocessableEntityException refused) {
                check(refused.getMessage().startsWith("HTTP 422 Unprocessable Entity: Observation.code is missing"), true);
            }
        });
        call("delete", () -> {
            IdType one = (IdType) pages[0].getEntryFirstRep().getResource().getIdElement();
            client.delete().resourceById(one.toUnqualifiedVersionless()).execute();
            try {
                client.read().resource(Observation.class).withId(one.getIdPart()).execute();
                throw new AssertionError("it is still there");
            } catch (ResourceGoneException gone) {
                check(gone.getStatusCode(), 410);
            }
        });
        call("delete conditional", () -> {
            client.delete().resourceConditionalByUrl("Observation?identifier=urn:oid:2.25.7|nothing").execute();
        });
        System.out.println(json());
    }

    static String json() {
        StringBuilder out = new StringBuilder("{");
        OUTCOMES.forEach((name, value) -> out.append(out.length() > 1 ? "," : "").append(quoted(name)).append(":")
            .append(quoted(value)));
        return out.append("}").toString();
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\r", "").replace("\t", " ")
            + '"';
    }
}
