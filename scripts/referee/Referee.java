import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.fhir.ucum.UcumService;
import org.hl7.fhir.r5.context.IWorkerContext;
import org.hl7.fhir.r5.elementmodel.Element;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.elementmodel.Manager.FhirFormat;
import org.hl7.fhir.r5.model.CanonicalResource;
import org.hl7.fhir.r5.model.CanonicalType;
import org.hl7.fhir.r5.utils.validation.IResourceValidator;
import org.hl7.fhir.r5.utils.validation.IValidatorResourceFetcher;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.validation.IgLoader;
import org.hl7.fhir.validation.ValidationEngine;
import org.hl7.fhir.validation.instance.advisor.BasePolicyAdvisorForFullValidation;

/**
 * Validates many resources in one JVM with the official HL7 validator, without a network.
 *
 * <p>Arguments: {@code --threads N}, {@code --core NAME#VERSION}, {@code --tho VERSION},
 * {@code --extensions VERSION}, {@code --ig NAME#VERSION|FOLDER} (repeats), {@code --profile URL} (repeats),
 * {@code --alone} (a reference is not followed to another of the given resources: its type is what its URL names),
 * {@code --lenient} (example.org addresses are allowed, a display that differs is a warning), then files (.json: one
 * resource, .ndjson: one a line) and folders of them. Standard output: a JSON object for each message
 * ({@code file line type id severity messageId path message}) and a last one with {@code resources} and
 * {@code seconds}.
 */
public final class Referee {
  private record Entry(String file, int line, byte[] bytes) {}

  private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

  private final List<Entry> entries = new ArrayList<>();
  private boolean alone;
  private boolean lenient;
  private final Map<String, byte[]> byReference = new ConcurrentHashMap<>();

  private final ThreadLocal<Map<String, Element>> parsed = ThreadLocal.withInitial(HashMap::new);

  public static void main(String[] arguments) throws Exception {
    new Referee().run(arguments);
    System.exit(0);
  }

  private void run(String[] arguments) throws Exception {
    PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "UTF-8");
    System.setOut(System.err); // the validator chats on standard output
    Locale.setDefault(Locale.ENGLISH);
    int threads = 2;
    String core = null;
    String terminology = null;
    String extensions = null;
    List<String> guides = new ArrayList<>();
    List<String> profiles = new ArrayList<>();
    List<Path> paths = new ArrayList<>();
    for (int i = 0; i < arguments.length; i++) {
      switch (arguments[i]) {
        case "--threads" -> threads = Integer.parseInt(arguments[++i]);
        case "--core" -> core = arguments[++i];
        case "--tho" -> terminology = arguments[++i];
        case "--extensions" -> extensions = arguments[++i];
        case "--ig" -> guides.add(arguments[++i]);
        case "--alone" -> alone = true;
        case "--lenient" -> lenient = true;
        case "--profile" -> profiles.add(arguments[++i]);
        default -> paths.add(Path.of(arguments[i]));
      }
    }
    for (Path path : paths) {
      read(path);
    }
    long begin = System.nanoTime();
    ValidationEngine engine = engine(core, terminology, extensions, guides);
    double loaded = (System.nanoTime() - begin) / 1e9;
    System.err.printf(Locale.ROOT, "referee: definitions loaded in %.1f s, %d resources to judge%n", loaded, entries.size());

    begin = System.nanoTime();
    ExecutorService pool = Executors.newFixedThreadPool(threads);
    List<Future<String>> results = new ArrayList<>();
    for (Entry entry : entries) {
      results.add(pool.submit(() -> judge(engine, entry, profiles)));
    }
    for (Future<String> result : results) {
      out.print(result.get());
    }
    pool.shutdown();
    JsonObject last = new JsonObject();
    last.addProperty("resources", entries.size());
    last.addProperty("seconds", (System.nanoTime() - begin) / 1e9);
    last.addProperty("loading", loaded);
    out.println(GSON.toJson(last));
    out.flush();
  }

  private void read(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      try (Stream<Path> inside = Files.walk(path)) {
        for (Path file : (Iterable<Path>) inside.filter(Files::isRegularFile).sorted()::iterator) {
          if (file.toString().endsWith(".json") || file.toString().endsWith(".ndjson")) {
            read(file);
          }
        }
      }
      return;
    }
    if (path.toString().endsWith(".ndjson")) {
      try (BufferedReader lines = Files.newBufferedReader(path, StandardCharsets.UTF_8)) {
        int number = 0;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          number++;
          if (!line.isBlank()) {
            add(path, number, line.getBytes(StandardCharsets.UTF_8));
          }
        }
      }
      return;
    }
    add(path, 1, Files.readAllBytes(path));
  }

  private void add(Path path, int line, byte[] bytes) {
    entries.add(new Entry(path.toString(), line, bytes));
    String[] name = name(bytes);
    if (name[0] != null && name[1] != null) {
      byReference.put(name[0] + "/" + name[1], bytes);
    }
  }

  private static String[] name(byte[] bytes) {
    try {
      JsonObject resource = JsonParser.parseString(new String(bytes, StandardCharsets.UTF_8)).getAsJsonObject();
      return new String[] {text(resource, "resourceType"), text(resource, "id")};
    } catch (RuntimeException notJson) {
      return new String[] {null, null}; // the validator says what is wrong with it
    }
  }

  private static String text(JsonObject object, String key) {
    return object.has(key) && object.get(key).isJsonPrimitive() ? object.get(key).getAsString() : null;
  }

  private ValidationEngine engine(String core, String terminology, String extensions, List<String> guides)
      throws Exception {
    ValidationEngine engine =
        new ValidationEngine.ValidationEngineBuilder()
            .withVersion("4.0.1")
            .withNoTerminologyServer()
            .withThoVersion(terminology)
            .withExtensionsVersion(extensions)
            .withUserAgent("fhir-bridge/referee")
            .fromSource(core);
    IgLoader loader = new IgLoader(engine.getPcm(), engine.getContext(), engine.getVersion(), false);
    for (String guide : guides) {
      loader.loadIg(engine.getIgs(), engine.getBinaries(), guide, true);
    }
    engine.setFetcher(new Given());
    engine.setPolicyAdvisor(new OneStep());
    engine.setBestPracticeLevel(BestPracticeWarningLevel.Ignore);
    engine.setAllowExampleUrls(lenient);
    engine.setDisplayWarnings(lenient);
    engine.setAssumeValidRestReferences(alone);
    engine.getContext().setNoTerminologyServer(true);
    engine.getContext().setCanRunWithoutTerminology(true);
    engine.prepare();
    return engine;
  }

  private String judge(ValidationEngine engine, Entry entry, List<String> profiles) {
    List<ValidationMessage> messages = new ArrayList<>();
    StringBuilder text = new StringBuilder();
    for (int attempt = 0; attempt == 0 || attempt < 5 && cameTooEarly(messages); attempt++) {
      messages.clear();
      parsed.get().clear();
      try {
        engine.validate(entry.bytes, FhirFormat.JSON, profiles, messages);
      } catch (Exception | Error failure) {
        messages.add(
            new ValidationMessage(
                ValidationMessage.Source.InstanceValidator,
                ValidationMessage.IssueType.EXCEPTION,
                "",
                "the validator failed: " + failure,
                ValidationMessage.IssueSeverity.FATAL));
      }
    }
    checkUnits(engine.getContext().getUcumService(), entry.bytes, messages);
    String[] name = name(entry.bytes);
    for (ValidationMessage message : messages) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("file", entry.file);
      line.put("line", entry.line);
      line.put("type", name[0]);
      line.put("id", name[1]);
      line.put("severity", message.getLevel().toCode());
      line.put("messageId", message.getMessageId());
      line.put("path", message.getLocation());
      line.put("message", message.getMessage());
      text.append(GSON.toJson(line)).append('\n');
    }
    return text.toString();
  }

  /**
   * Whether the validator failed for want of its own message texts, which it loads without a lock: a thread that
   * comes in between sees none. That is no judgement of the resource; asked again, it gives one.
   */
  private static boolean cameTooEarly(List<ValidationMessage> messages) {
    return messages.stream().anyMatch(message -> message.getMessage().contains("\"this.messages\" is null"));
  }

  /** UCUM codes, which the validator leaves to a terminology server, by the grammar of its own UCUM library. */
  private static void checkUnits(UcumService units, byte[] bytes, List<ValidationMessage> messages) {
    try {
      checkUnits(units, JsonParser.parseString(new String(bytes, StandardCharsets.UTF_8)), "", messages);
    } catch (JsonParseException notJson) {
      // the validator has said so
    }
  }

  private static void checkUnits(UcumService units, JsonElement node, String path, List<ValidationMessage> messages) {
    if (node.isJsonArray()) {
      for (int i = 0; i < node.getAsJsonArray().size(); i++) {
        checkUnits(units, node.getAsJsonArray().get(i), path + "[" + i + "]", messages);
      }
    } else if (node.isJsonObject()) {
      JsonObject object = node.getAsJsonObject();
      String code = text(object, "code");
      if ("http://unitsofmeasure.org".equals(text(object, "system")) && code != null) {
        String wrong = units.validate(code);
        if (wrong != null) {
          ValidationMessage message =
              new ValidationMessage(
                  ValidationMessage.Source.InstanceValidator,
                  ValidationMessage.IssueType.CODEINVALID,
                  path + ".code",
                  "'" + code + "' is not UCUM: " + wrong,
                  ValidationMessage.IssueSeverity.ERROR);
          message.setMessageId("UCUM");
          messages.add(message);
        }
      }
      for (Map.Entry<String, JsonElement> child : object.entrySet()) {
        String inner = path.isEmpty() ? child.getKey() : path + "." + child.getKey();
        checkUnits(units, child.getValue(), inner, messages);
      }
    }
  }

  /**
   * Judges the target of a reference by the profiles that the referring element names, but not what that target refers
   * to: the target is judged itself. A report whose results derive from results would else take exponential time.
   */
  private static final class OneStep extends BasePolicyAdvisorForFullValidation {
    OneStep() {
      super(ReferenceValidationPolicy.CHECK_TYPE_IF_EXISTS, Set.of());
    }

    @Override
    public ReferenceValidationPolicy policyForReference(
        IResourceValidator validator, Object context, String path, String url, ReferenceDestinationType kind) {
      return depth("checkReference") > 1
          ? ReferenceValidationPolicy.IGNORE
          : super.policyForReference(validator, context, path, url, kind);
    }
  }

  private static long depth(String method) {
    return StackWalker.getInstance()
        .walk(frames -> frames.filter(frame -> frame.getMethodName().equals(method)).limit(3).count());
  }

  /**
   * Resolves references among the given resources, and nothing else. Slices told apart by {@code conformsTo} on the
   * target of a reference are followed two steps, for the same reason as in {@link OneStep}.
   */
  private final class Given implements IValidatorResourceFetcher {
    @Override
    public Element fetch(IResourceValidator validator, Object context, String url) throws IOException {
      if (alone) {
        return null;
      }
      byte[] bytes = byReference.get(url.replaceFirst("/_history/.*", ""));
      if (bytes == null || depth("conformsToProfile") > 1) {
        return null;
      }
      Element seen = parsed.get().get(url);
      if (seen != null) {
        return seen;
      }
      IWorkerContext worker = ((org.hl7.fhir.validation.instance.InstanceValidator) validator).getContext();
      Element element = Manager.parseSingle(worker, new ByteArrayInputStream(bytes), FhirFormat.JSON);
      parsed.get().put(url, element);
      return element;
    }

    @Override
    public boolean resolveURL(
        IResourceValidator validator,
        Object context,
        String path,
        String url,
        IWorkerContext.VersionResolutionRules rules,
        String type,
        boolean canonical,
        List<CanonicalType> targets) {
      return true;
    }

    @Override
    public byte[] fetchRaw(IResourceValidator validator, String url) {
      return null;
    }

    @Override
    public IValidatorResourceFetcher setLocale(Locale locale) {
      return this;
    }

    @Override
    public CanonicalResource fetchCanonicalResource(IResourceValidator validator, Object context, String url) {
      return null;
    }

    @Override
    public boolean fetchesCanonicalResource(IResourceValidator validator, String url) {
      return false;
    }

    @Override
    public Set<ResourceVersionInformation> fetchCanonicalResourceVersions(
        IResourceValidator validator, Object context, String url) {
      return Set.of();
    }
  }
}
