package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyConfig;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.errors.LogAndContinueProcessingExceptionHandler;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.test.TestRecord;

/** Runs one scenario and says what came out. */
final class Runner {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final JsonNode scenario;
    private final ObjectNode answer = JSON.createObjectNode();
    private final Map<String, TestInputTopic<byte[], byte[]>> inputs = new HashMap<>();
    private final Map<String, TestOutputTopic<byte[], byte[]>> outputs = new HashMap<>();

    private Runner(final JsonNode scenario) {
        this.scenario = scenario;
    }

    static ObjectNode run(final JsonNode scenario, final Path scratch) {
        final Runner runner = new Runner(scenario);
        runner.answer.set("id", scenario.get("id"));
        Path directory = null;
        try {
            directory = Files.createTempDirectory(scratch, "s");
            runner.run(directory);
        } catch (final IOException error) {
            throw new UncheckedIOException(error);
        } finally {
            remove(directory);
        }
        return runner.answer;
    }

    private void run(final Path directory) {
        final Topology topology;
        final Program program;
        final Properties config = config(directory);
        try {
            final StreamsBuilder builder = new StreamsBuilder(new TopologyConfig(new StreamsConfig(config)));
            final Topology hand = scenario.path("config").path("hand").booleanValue() ? new Topology() : null;
            program = new Program(builder, hand, scenario.get("topics"));
            program.build(scenario.get("program"));
            topology = hand != null ? hand : builder.build(config);
            answer.put("describe", topology.describe().toString());
        } catch (final RuntimeException error) {
            fail("build", -1, error);
            return;
        }
        TopologyTestDriver driver = null;
        int number = -1;
        final ArrayNode steps = answer.putArray("steps");
        try {
            driver = new TopologyTestDriver(topology, config, Instant.ofEpochMilli(0));
            for (final JsonNode step : scenario.get("steps")) {
                number++;
                step(driver, step);
                final ObjectNode found = drain(driver);
                if (!program.seen.isEmpty()) {
                    final ArrayNode seen = found.putArray("");
                    program.seen.forEach(line -> seen.addArray().add((String) null).add(line).add(0).addArray());
                    program.seen.clear();
                }
                steps.add(found);
            }
            number++;
            answer.put("dropped", dropped(driver));
            answer.set("stores", StoreDump.of(driver, scenario.get("steps")));
        } catch (final RuntimeException error) {
            fail("run", number, error);
        } finally {
            close(driver);
        }
    }

    private static void close(final TopologyTestDriver driver) {
        try {
            if (driver != null) {
                driver.close();
            }
        } catch (final RuntimeException error) {
            // What failed before fails again when it is closed.
        }
    }

    private void fail(final String stage, final int step, final RuntimeException error) {
        Throwable cause = error;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        final ObjectNode told = answer.putObject("error");
        told.put("stage", stage).put("step", step)
            .put("type", cause.getClass().getSimpleName()).put("message", String.valueOf(cause.getMessage()));
    }

    private Properties config(final Path directory) {
        final JsonNode settings = scenario.path("config");
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, settings.path("cache").longValue());
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
        if (!"rocksdb".equals(settings.path("stores").textValue())) {
            config.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        }
        if (settings.has("optimize")) {
            config.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, settings.get("optimize").textValue());
            // Else records whose keys a processor changes would pass by the merged topics (KAFKA-19668).
            config.put(TopologyConfig.InternalConfig.ENABLE_PROCESS_PROCESSVALUE_FIX, true);
        }
        errors(config, settings.path("errors"));
        // Further settings by Kafka's own names.
        settings.path("kafka").properties().forEach(each -> config.put(each.getKey(), each.getValue().asText()));
        return config;
    }

    /** What happens to records that cannot be read, processed or written. */
    private static void errors(final Properties config, final JsonNode errors) {
        if (errors.path("read").booleanValue()) {
            config.put(StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG,
                LogAndContinueExceptionHandler.class);
        }
        if (errors.path("process").booleanValue()) {
            config.put(StreamsConfig.PROCESSING_EXCEPTION_HANDLER_CLASS_CONFIG,
                LogAndContinueProcessingExceptionHandler.class);
        }
        if (errors.path("write").booleanValue()) {
            config.put(StreamsConfig.PRODUCTION_EXCEPTION_HANDLER_CLASS_CONFIG, SkipUnwritable.class);
        }
        if (errors.has("dead")) {
            config.put(StreamsConfig.ERRORS_DEAD_LETTER_QUEUE_TOPIC_NAME_CONFIG, errors.get("dead").textValue());
        }
    }

    // ------------------------------------------------------------------ steps

    private void step(final TopologyTestDriver driver, final JsonNode step) {
        if ("+".equals(step.get(0).textValue())) {
            driver.advanceWallClockTime(Duration.ofMillis(step.get(1).longValue()));
            return;
        }
        final String topic = step.get(0).textValue();
        final JsonNode types = scenario.get("topics").get(topic);
        final RecordHeaders headers = new RecordHeaders();
        for (final JsonNode each : step.path(4)) {
            headers.add(each.get(0).textValue(), each.get(1).textValue().getBytes(StandardCharsets.UTF_8));
        }
        inputs.computeIfAbsent(topic, name ->
                driver.createInputTopic(name, new ByteArraySerializer(), new ByteArraySerializer()))
            .pipeInput(new TestRecord<>(
                bytes(types.get(0).textValue(), step.get(1)), bytes(types.get(1).textValue(), step.get(2)),
                headers, step.get(3).longValue()));
    }

    private static byte[] bytes(final String type, final JsonNode data) {
        if (data.isNull()) {
            return null;
        }
        // A text where numbers are due is one that cannot be read.
        final Object value = data.isTextual() ? data.textValue() : (Object) data.longValue();
        return Program.serde(data.isTextual() ? "s" : type).serializer().serialize("", value);
    }

    private ObjectNode drain(final TopologyTestDriver driver) {
        final ObjectNode found = JSON.createObjectNode();
        for (final String topic : new TreeSet<>(driver.producedTopicNames())) {
            final TestOutputTopic<byte[], byte[]> output = outputs.computeIfAbsent(topic, name ->
                driver.createOutputTopic(name, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
            if (output.isEmpty()) {
                continue;
            }
            final ArrayNode records = found.putArray(topic);
            while (!output.isEmpty()) {
                final TestRecord<byte[], byte[]> record = output.readRecord();
                final ArrayNode row = records.addArray();
                row.add(latin(record.key())).add(latin(record.value())).add(record.timestamp());
                final ArrayNode headers = row.addArray();
                for (final Header each : record.headers()) {
                    headers.addArray().add(each.key()).add(latin(each.value()));
                }
            }
        }
        return found;
    }

    /** Bytes as a text of the characters 0 to 255: short, and readable where the bytes are text. */
    private static String latin(final byte[] data) {
        return data == null ? null : new String(data, StandardCharsets.ISO_8859_1);
    }

    private static long dropped(final TopologyTestDriver driver) {
        return (long) driver.metrics().values().stream()
            .filter(metric -> metric.metricName().name().equals("dropped-records-total"))
            .mapToDouble(metric -> (double) metric.metricValue())
            .sum();
    }

    private static void remove(final Path directory) {
        if (directory == null) {
            return;
        }
        try (Stream<Path> files = Files.walk(directory)) {
            files.sorted(Comparator.reverseOrder()).forEach(each -> each.toFile().delete());
        } catch (final IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
