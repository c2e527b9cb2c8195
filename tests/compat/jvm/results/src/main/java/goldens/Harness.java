package goldens;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

/** Runs one script on one topology and writes what went in and out as JSON. */
final class Harness {
    private final TopologyTestDriver driver;
    private final List<String> steps = new ArrayList<>();

    private Harness(final TopologyTestDriver driver) {
        this.driver = driver;
    }

    static void run(
        final Path directory,
        final String name,
        final long cacheBytes,
        final Consumer<StreamsBuilder> topology,
        final Consumer<Harness> script
    ) throws IOException {
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, cacheBytes);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("goldens").toString());
        final StreamsBuilder builder = new StreamsBuilder();
        topology.accept(builder);
        try (TopologyTestDriver driver =
                 new TopologyTestDriver(builder.build(config), config, Instant.ofEpochMilli(0))) {
            final Harness harness = new Harness(driver);
            script.accept(harness);
            final double dropped = driver.metrics().values().stream()
                .filter(metric -> metric.metricName().name().equals("dropped-records-total"))
                .mapToDouble(metric -> (double) metric.metricValue())
                .sum();
            final String text = "{\"cache_max_bytes\": " + cacheBytes
                + ", \"dropped\": " + (long) dropped
                + ", \"steps\": [\n  " + String.join(",\n  ", harness.steps) + "\n]}\n";
            Files.writeString(directory.resolve(name + ".json"), text);
        }
    }

    /** Pipes a record; {@code headers} are names and values in turn. */
    void pipe(
        final String topic, final String key, final String value, final long time, final String... headers
    ) {
        final RecordHeaders made = new RecordHeaders();
        for (int index = 0; index < headers.length; index += 2) {
            made.add(headers[index], bytes(headers[index + 1]));
        }
        driver.createInputTopic(topic, new ByteArraySerializer(), new ByteArraySerializer())
            .pipeInput(new TestRecord<>(bytes(key), bytes(value), made, time));
        made.toArray();
        final RecordHeaders copy = new RecordHeaders();
        for (int index = 0; index < headers.length; index += 2) {
            copy.add(headers[index], bytes(headers[index + 1]));
        }
        note("\"pipe\": " + quote(topic) + ", \"record\": " + record(bytes(key), bytes(value), time, copy));
    }

    /** Moves the wall clock on. */
    void advance(final long ms) {
        driver.advanceWallClockTime(Duration.ofMillis(ms));
        note("\"advance\": " + ms);
    }

    private void note(final String input) {
        final List<String> topics = new ArrayList<>();
        for (final String topic : new TreeSet<>(driver.producedTopicNames())) {
            final List<String> records = new ArrayList<>();
            driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer())
                .readRecordsToList()
                .forEach(each -> records.add(
                    record(each.key(), each.value(), each.timestamp(), each.headers())));
            if (!records.isEmpty()) {
                topics.add(quote(topic) + ": [" + String.join(", ", records) + "]");
            }
        }
        steps.add("{" + input + ", \"out\": {" + String.join(", ", topics) + "}}");
    }

    private static String record(
        final byte[] key, final byte[] value, final long time, final Iterable<Header> headers
    ) {
        final List<String> pairs = new ArrayList<>();
        headers.forEach(each -> pairs.add("[" + quote(each.key()) + ", " + hex(each.value()) + "]"));
        return "[" + hex(key) + ", " + hex(value) + ", " + time + ", [" + String.join(", ", pairs) + "]]";
    }

    private static byte[] bytes(final String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private static String hex(final byte[] data) {
        return data == null ? "null" : quote(HexFormat.of().formatHex(data));
    }

    private static String quote(final String text) {
        return "\"" + text + "\"";
    }
}
