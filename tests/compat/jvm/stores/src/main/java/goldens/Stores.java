package goldens;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.query.MultiVersionedKeyQuery;
import org.apache.kafka.streams.query.PositionBound;
import org.apache.kafka.streams.query.QueryConfig;
import org.apache.kafka.streams.query.ResultOrder;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionBytesStoreSupplier;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.VersionedRecordIterator;
import org.apache.kafka.streams.state.WindowBytesStoreSupplier;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;
import org.apache.kafka.streams.state.internals.RocksDbIndexedTimeOrderedWindowBytesStoreSupplier;
import org.apache.kafka.streams.state.internals.RocksDbSessionBytesStoreSupplier;
import org.apache.kafka.streams.state.internals.RocksDbTimeOrderedSessionBytesStoreSupplier;
import org.apache.kafka.streams.state.internals.RocksDbWindowBytesStoreSupplier;

/** Does random things to Kafka's stores, and writes what was done and answered as JSON lines. */
public final class Stores {
    private static final String[] KEYS = {"a", "aa", "ab", "b", "c"};
    private static final int STEPS = 260;

    private final Random random;
    private final List<String> lines = new ArrayList<>();
    private long clock;
    private long span;

    private static final class Idle implements Processor<Object, Object, Object, Object> {
        @Override
        public void process(final Record<Object, Object> record) {
        }
    }

    private Stores(final long seed) {
        this.random = new Random(seed);
    }

    public static void main(final String[] arguments) throws IOException {
        final Path directory = Path.of(arguments[0]);
        Files.createDirectories(directory);
        final List<String> all = new ArrayList<>();
        for (long seed = 1; seed <= Long.parseLong(arguments[1]); seed++) {
            new Stores(seed).all(all);
        }
        Files.write(directory.resolve("stores.jsonl"), all);
    }

    private void all(final List<String> all) throws IOException {
        final Duration retention = Duration.ofMillis(100_000);
        final StoreBuilder<?>[] builders = {
            session("session", new RocksDbSessionBytesStoreSupplier("session", 100_000)),
            session("session-time-ordered",
                new RocksDbTimeOrderedSessionBytesStoreSupplier("session-time-ordered", 100_000, true)),
            session("session-memory", org.apache.kafka.streams.state.Stores.inMemorySessionStore("session-memory", retention)),
            window("window", new RocksDbWindowBytesStoreSupplier("window", 100_000, 60_000, 10_000, false,
                RocksDbWindowBytesStoreSupplier.WindowStoreTypes.DEFAULT_WINDOW_STORE)),
            window("window-time-ordered", RocksDbIndexedTimeOrderedWindowBytesStoreSupplier.create(
                "window-time-ordered", retention, Duration.ofMillis(10_000), false, true)),
            window("window-memory",
                org.apache.kafka.streams.state.Stores.inMemoryWindowStore("window-memory", retention, Duration.ofMillis(10_000), false)),
            window("join", new RocksDbWindowBytesStoreSupplier("join", 100_000, 60_000, 10_000, true,
                RocksDbWindowBytesStoreSupplier.WindowStoreTypes.DEFAULT_WINDOW_STORE)),
            window("join-memory",
                org.apache.kafka.streams.state.Stores.inMemoryWindowStore("join-memory", retention, Duration.ofMillis(10_000), true)),
            versioned("versioned", 50_000, 7_000),
            versioned("versioned-default", 30_000, 0),
            versioned("versioned-newest", 0, 1_000),
            org.apache.kafka.streams.state.Stores.keyValueStoreBuilder(
                org.apache.kafka.streams.state.Stores.lruMap("lru", 3), Serdes.String(), Serdes.String())
                .withLoggingDisabled().withCachingDisabled(),
        };
        final Topology topology = new Topology();
        topology.addSource("source", "topic");
        topology.addProcessor("processor", Idle::new, "source");
        for (final StoreBuilder<?> builder : builders) {
            topology.addStateStore(builder, "processor");
        }
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("goldens").toString());
        try (TopologyTestDriver driver = new TopologyTestDriver(topology, config, Instant.ofEpochMilli(0))) {
            for (final StoreBuilder<?> builder : builders) {
                lines.clear();
                clock = 0;
                final double before = dropped(driver);
                final String name = builder.name();
                if (name.startsWith("session")) {
                    sessions(driver.getSessionStore(name), name);
                } else if (name.startsWith("versioned")) {
                    versions(driver.getVersionedKeyValueStore(name), name);
                } else if (name.equals("lru")) {
                    leastRecent(driver.getKeyValueStore(name));
                } else {
                    windows(driver.getWindowStore(name), name);
                }
                all.add("{\"store\": \"" + name + "\", \"dropped\": " + (long) (dropped(driver) - before)
                    + ", \"steps\": [" + String.join(", ", lines) + "]}");
            }
        }
    }

    private void sessions(final SessionStore<String, String> store, final String name) {
        span = 250_000;
        for (int step = 0; step < STEPS; step++) {
            final String key = key();
            final long end = time();
            final long start = Math.max(0, end - 10_000L * random.nextInt(4));
            switch (random.nextInt(9)) {
                case 0: case 1: case 2:
                    final String value = random.nextInt(8) == 0 ? null : "v" + step;
                    store.put(new Windowed<>(key, new SessionWindow(start, end)), value);
                    note("put", null, key, start, end, value);
                    break;
                case 3:
                    store.remove(new Windowed<>(key, new SessionWindow(start, end)));
                    note("remove", null, key, start, end);
                    break;
                case 4:
                    note("fetch_session", quote(store.fetchSession(key, start, end)), key, start, end);
                    break;
                case 5:
                    note("find", sessions(store.findSessions(key, start, end)), key, start, end);
                    break;
                case 6:
                    note("find_back", sessions(store.backwardFindSessions(key, start, end)), key, start, end);
                    break;
                case 7:
                    final String other = key();
                    note("find_keys", sessions(store.findSessions(key, other, start, end)), key, other, start, end);
                    final String first = key.compareTo(other) < 0 ? key : other;
                    final String last = first.equals(key) ? other : key;
                    note("fetch_keys_back", sessions(store.backwardFetch(first, last)), first, last);
                    break;
                default:
                    if (!name.equals("session")) {
                        note("find_by_end", sessions(store.findSessions(start, end)), start, end);
                    }
                    note("fetch_keys", sessions(store.fetch(null, null)), null, null);
            }
        }
    }

    private void windows(final WindowStore<String, String> store, final String name) {
        span = 250_000;
        for (int step = 0; step < STEPS; step++) {
            final String key = key();
            final long to = time();
            final long from = Math.max(0, to - 10_000L * random.nextInt(12));
            switch (random.nextInt(8)) {
                case 0: case 1: case 2: case 3:
                    final String value = random.nextInt(8) == 0 ? null : "v" + step;
                    store.put(key, value, to);
                    note("put", null, key, value, to);
                    break;
                case 4:
                    if (!name.startsWith("join")) {
                        note("fetch", quote(store.fetch(key, to)), key, to);
                    }
                    break;
                case 5:
                    note("fetch_range", starts(store.fetch(key, from, to)), key, from, to);
                    note("fetch_range_back", starts(store.backwardFetch(key, from, to)), key, from, to);
                    break;
                case 6:
                    final String other = key();
                    note("fetch_keys", windows(store.fetch(key, other, from, to)), key, other, from, to);
                    note("fetch_keys_back", windows(store.backwardFetch(null, other, from, to)), null, other, from, to);
                    break;
                default:
                    note("fetch_all", windows(store.fetchAll(from, to)), from, to);
                    note("all", windows(store.all()));
                    note("all_back", windows(store.backwardAll()));
            }
        }
    }

    private void versions(final VersionedKeyValueStore<String, String> store, final String name) {
        span = 120_000;
        for (int step = 0; step < STEPS; step++) {
            final String key = key();
            final long time = time();
            switch (random.nextInt(8)) {
                case 0: case 1: case 2: case 3:
                    final String value = random.nextInt(4) == 0 ? null : "v" + step;
                    note("put", Long.toString(store.put(key, value, time)), key, value, time);
                    break;
                case 4:
                    note("delete", version(store.delete(key, time)), key, time);
                    break;
                case 5:
                    note("get", version(store.get(key)), key);
                    break;
                case 6:
                    note("get_as_of", version(store.get(key, time)), key, time);
                    break;
                default:
                    final long from = Math.max(0, time - 10_000L * random.nextInt(7));
                    note("between", between(store, key, from, time, false), key, from, time);
                    note("between_back", between(store, key, from, time, true), key, from, time);
            }
        }
    }

    private void leastRecent(final KeyValueStore<String, String> store) {
        span = 10;
        for (int step = 0; step < STEPS; step++) {
            final String key = key();
            switch (random.nextInt(7)) {
                case 0: case 1:
                    store.put(key, "v" + step);
                    note("put", null, key, "v" + step);
                    break;
                case 2:
                    note("put_if_absent", quote(store.putIfAbsent(key, "w" + step)), key, "w" + step);
                    break;
                case 3:
                    note("delete", quote(store.delete(key)), key);
                    break;
                case 4: case 5:
                    note("get", quote(store.get(key)), key);
                    break;
                default:
                    note("all", pairs(store.all()));
                    note("range", pairs(store.range("a", "b")));
                    note("size", Long.toString(store.approximateNumEntries()));
            }
        }
    }

    private static String between(
        final VersionedKeyValueStore<String, String> store, final String key, final long from, final long to,
        final boolean descending
    ) {
        MultiVersionedKeyQuery<String, String> query = MultiVersionedKeyQuery.withKey(key);
        query = query.fromTime(Instant.ofEpochMilli(from)).toTime(Instant.ofEpochMilli(to));
        query = descending ? query.withDescendingTimestamps() : query.withAscendingTimestamps();
        final List<String> found = new ArrayList<>();
        try (VersionedRecordIterator<String> records =
                 store.query(query, PositionBound.unbounded(), new QueryConfig(false)).getResult()) {
            while (records.hasNext()) {
                found.add(version(records.next()));
            }
        } catch (final IndexOutOfBoundsException broken) {
            return "\"broken\"";
        }
        return "[" + String.join(", ", found) + "]";
    }

    private static String version(final VersionedRecord<String> record) {
        return record == null ? "null" : "[" + quote(record.value()) + ", " + record.timestamp() + ", "
            + record.validTo().map(Object::toString).orElse("null") + "]";
    }

    private static String sessions(final KeyValueIterator<Windowed<String>, String> entries) {
        final List<String> found = new ArrayList<>();
        entries.forEachRemaining(each -> found.add("[" + quote(each.key.key()) + ", "
            + each.key.window().start() + ", " + each.key.window().end() + ", " + quote(each.value) + "]"));
        entries.close();
        return "[" + String.join(", ", found) + "]";
    }

    private static String windows(final KeyValueIterator<Windowed<String>, String> entries) {
        final List<String> found = new ArrayList<>();
        entries.forEachRemaining(each -> found.add("[" + quote(each.key.key()) + ", "
            + each.key.window().start() + ", " + quote(each.value) + "]"));
        entries.close();
        return "[" + String.join(", ", found) + "]";
    }

    private static String starts(final WindowStoreIterator<String> entries) {
        final List<String> found = new ArrayList<>();
        entries.forEachRemaining(each -> found.add("[" + each.key + ", " + quote(each.value) + "]"));
        entries.close();
        return "[" + String.join(", ", found) + "]";
    }

    private static String pairs(final KeyValueIterator<String, String> entries) {
        final List<String> found = new ArrayList<>();
        entries.forEachRemaining(each -> found.add("[" + quote(each.key) + ", " + quote(each.value) + "]"));
        entries.close();
        return "[" + String.join(", ", found) + "]";
    }

    private static StoreBuilder<?> session(final String name, final SessionBytesStoreSupplier supplier) {
        return org.apache.kafka.streams.state.Stores
            .sessionStoreBuilder(supplier, Serdes.String(), Serdes.String())
            .withLoggingDisabled().withCachingDisabled();
    }

    private static StoreBuilder<?> window(final String name, final WindowBytesStoreSupplier supplier) {
        return org.apache.kafka.streams.state.Stores
            .windowStoreBuilder(supplier, Serdes.String(), Serdes.String())
            .withLoggingDisabled().withCachingDisabled();
    }

    private static StoreBuilder<?> versioned(final String name, final long retention, final long interval) {
        final Duration history = Duration.ofMillis(retention);
        return org.apache.kafka.streams.state.Stores.versionedKeyValueStoreBuilder(
            interval == 0
                ? org.apache.kafka.streams.state.Stores.persistentVersionedKeyValueStore(name, history)
                : org.apache.kafka.streams.state.Stores.persistentVersionedKeyValueStore(
                    name, history, Duration.ofMillis(interval)),
            Serdes.String(), Serdes.String()).withLoggingDisabled();
    }

    private String key() {
        return KEYS[random.nextInt(KEYS.length)];
    }

    /** A time that mostly moves on, in steps that meet the edges of segments and retention. */
    private long time() {
        clock += random.nextInt(6) == 0 ? 10_000L * random.nextInt(6) : 1_000L * random.nextInt(3);
        final long back = random.nextInt(3) == 0 ? 10_000L * random.nextInt((int) (span / 10_000) + 1) : 0;
        return Math.max(0, clock - back - random.nextInt(2));
    }

    private void note(final String operation, final String result, final Object... arguments) {
        final List<String> parts = new ArrayList<>();
        parts.add(quote(operation));
        for (final Object each : arguments) {
            parts.add(each instanceof String ? quote((String) each) : String.valueOf(each));
        }
        lines.add("[" + result + ", " + String.join(", ", parts) + "]");
    }

    private static double dropped(final TopologyTestDriver driver) {
        return driver.metrics().values().stream()
            .filter(metric -> metric.metricName().name().equals("dropped-records-total"))
            .mapToDouble(metric -> (double) metric.metricValue())
            .sum();
    }

    private static String quote(final String text) {
        return text == null ? "null" : "\"" + text + "\"";
    }
}
