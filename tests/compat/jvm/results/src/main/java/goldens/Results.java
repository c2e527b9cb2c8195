package goldens;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** One topology and one script a case; the topologies again in tests/streams/test_results.py. */
public final class Results {
    private static final Serde<String> STR = Serdes.String();
    private static final Serde<Long> LONG = Serdes.Long();
    private static final long CACHE = 1_000_000;

    private static Path directory;

    private Results() { }

    private static void run(
        final String name, final long cache, final Consumer<StreamsBuilder> topology, final Consumer<Harness> script
    ) {
        try {
            Harness.run(directory, name, cache, topology, script);
        } catch (final IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void both(
        final String name, final Consumer<StreamsBuilder> topology, final Consumer<Harness> script
    ) {
        run(name, 0, topology, script);
        run(name + "_cached", CACHE, topology, script);
    }

    public static void main(final String[] arguments) throws IOException {
        directory = Path.of(arguments[0]);
        Files.createDirectories(directory);
        stateless();
        aggregations();
        windows();
        tables();
        joins();
        processors();
        punctuators();
        chains();
    }

    /** Values of all kinds under keys of all kinds. */
    private static void mixed(final Harness h) {
        h.pipe("in", "a", "one", 10, "h", "1", "h", "2");
        h.pipe("in", "b", "two words", 20);
        h.pipe("in", null, "no key", 15, "t", "x");
        h.pipe("in", "a", null, 5);
        h.pipe("in", null, null, 30);
        h.pipe("in", "", "", 31, "empty", "");
        h.pipe("in", "c", "drop", 32);
    }

    private static String up(final String value) {
        return value == null ? "NULL" : value.toUpperCase();
    }

    // ------------------------------------------------------------------ stateless

    private static void stateless() {
        run("filter_map_values", 0, b -> b.<String, String>stream("in")
            .filter((k, v) -> !"drop".equals(v)).filterNot((k, v) -> "b".equals(k))
            .mapValues(v -> up(v)).mapValues((k, v) -> k + "=" + v).to("out"), Results::mixed);
        run("map_flat_map", 0, b -> b.<String, String>stream("in")
            .map((k, v) -> KeyValue.pair(v, k))
            .flatMap((k, v) -> Arrays.asList(KeyValue.pair(k, v), KeyValue.pair("x", up(v)))).to("out"),
            Results::mixed);
        run("flat_map_values", 0, b -> b.<String, String>stream("in")
            .flatMapValues(v -> v == null ? List.<String>of() : Arrays.asList(v.split(" "))).to("out"),
            Results::mixed);
        run("select_key_repartition", 0, b -> b.<String, String>stream("in")
            .selectKey((k, v) -> v).repartition(Repartitioned.as("again")).to("out"), Results::mixed);
        run("merge_branch", 0, b -> {
            final KStream<String, String> in = b.stream("in");
            final Map<String, KStream<String, String>> arms = in.split(Named.as("s-"))
                .branch((k, v) -> v == null, Branched.as("null"))
                .branch((k, v) -> "a".equals(k), Branched.as("a"))
                .defaultBranch(Branched.as("rest"));
            arms.get("s-null").mapValues(v -> "was null").merge(arms.get("s-rest")).merge(in).to("out");
            arms.get("s-a").to("as");
        }, Results::mixed);
        run("dynamic_topic", 0, b -> b.<String, String>stream("in")
            .to((k, v, context) -> (k == null ? "none" : "of-" + k) + "-" + context.offset() % 2),
            Results::mixed);
        run("extractor", 0, b -> b.<String, String>stream("in", Consumed.<String, String>with(
                (record, partitionTime) ->
                    "drop".equals(record.value()) ? -1
                        : record.value() == null ? partitionTime : record.timestamp() * 2))
            .to("out"), h -> {
                h.pipe("in", "a", "one", 10);
                h.pipe("in", "a", "drop", 20);
                h.pipe("in", "a", null, 30);
                h.pipe("in", "a", "early", 2);
                h.pipe("in", "a", null, 30);
            });
    }

    // ------------------------------------------------------------------ aggregations

    private static String reduced(final String aggregate, final String value) {
        return "!".equals(value) ? null : aggregate + value;
    }

    private static void keyed(final Harness h) {
        h.pipe("in", "a", "1", 10, "h", "1");
        h.pipe("in", "b", "2", 5);
        h.pipe("in", "a", "3", 7, "h", "2");
        h.pipe("in", "a", null, 40);
        h.pipe("in", null, "4", 41);
        h.pipe("in", "a", "!", 42);
        h.pipe("in", "a", "5", 8);
        h.pipe("in", "b", "!", 43);
        h.pipe("in", "b", "!", 3);
        h.pipe("in", "c", "!", 44);
        h.pipe("in", "c", "6", 1);
        h.pipe("in", "a", "7", 60);
        h.pipe("in", "a", "!", 50);
    }

    private static void aggregations() {
        both("count", b -> b.<String, String>stream("in").groupByKey()
            .count(Materialized.as("counts")).toStream().to("out", Produced.valueSerde(LONG)), Results::keyed);
        both("reduce", b -> b.<String, String>stream("in").groupByKey()
            .reduce(Results::reduced, Materialized.as("sums")).toStream().to("out"), Results::keyed);
        both("aggregate", b -> b.<String, String>stream("in").groupByKey()
            .aggregate(() -> "<", (k, v, a) -> reduced(a, k + v), Materialized.as("sums"))
            .toStream().to("out"), Results::keyed);
        both("aggregate_to_null", b -> b.<String, String>stream("in").groupByKey()
            .aggregate(() -> "<", (k, v, a) -> reduced(a, v), Materialized.as("sums"))
            .toStream().to("out"), Results::keyed);
        both("group_by", b -> b.<String, String>stream("in")
            .groupBy((k, v) -> "3".equals(v) ? null : "g" + v, Grouped.as("grouped"))
            .count(Materialized.as("counts")).toStream().to("out", Produced.valueSerde(LONG)), Results::keyed);
        both("two_aggregations_and_a_fan_out", b -> {
            final KStream<String, String> words = b.<String, String>stream("in")
                .flatMapValues(v -> v == null ? List.<String>of() : Arrays.asList(v.split(" ")));
            words.groupByKey().reduce(Results::reduced, Materialized.as("second"))
                .toStream().to("out");
            words.groupByKey().count(Materialized.as("first")).toStream().to("out", Produced.valueSerde(LONG));
        }, Results::mixed);
    }

    // ------------------------------------------------------------------ windows

    private static void timed(final Harness h) {
        h.pipe("in", "a", "1", 0, "h", "1");
        h.pipe("in", "a", "2", 9);
        h.pipe("in", "b", "3", 10, "h", "2");
        h.pipe("in", null, "4", 11);
        h.pipe("in", "a", null, 3);
        h.pipe("in", "a", "!", 4);
        h.pipe("in", "a", "5", 14);
        h.pipe("in", "a", "6", 2);
        h.pipe("in", "b", "7", 15);
        h.pipe("in", "a", "late", 9);
        h.pipe("in", "a", "8", 10);
        h.pipe("in", "a", "!", 10);
        h.pipe("in", "c", "9", 25);
        h.pipe("in", "c", "10", 24);
        h.pipe("in", "c", "late", 19);
        h.pipe("in", "c", "11", 70);
        h.pipe("in", "c", "late", 64);
        h.pipe("in", "c", "12", 65);
        h.pipe("in", "c", "far", 1_000_000);
        h.pipe("in", "a", "late", 70);
    }

    private static void windows() {
        final TimeWindows tumbling = TimeWindows.ofSizeAndGrace(Duration.ofMillis(10), Duration.ofMillis(5));
        final TimeWindows sharp = TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(10));
        final TimeWindows hopping = TimeWindows.ofSizeAndGrace(Duration.ofMillis(10), Duration.ofMillis(2))
            .advanceBy(Duration.ofMillis(3));
        final Serde<org.apache.kafka.streams.kstream.Windowed<String>> windowed =
            WindowedSerdes.timeWindowedSerdeFrom(String.class, 10);
        for (final Map.Entry<String, TimeWindows> each :
                Map.of("tumbling", tumbling, "sharp", sharp, "hopping", hopping).entrySet()) {
            final TimeWindows windows = each.getValue();
            both(each.getKey() + "_count", b -> b.<String, String>stream("in").groupByKey().windowedBy(windows)
                .count(Materialized.as("counts")).toStream().to("out", Produced.with(windowed, LONG)),
                Results::timed);
            both(each.getKey() + "_reduce", b -> b.<String, String>stream("in").groupByKey().windowedBy(windows)
                .reduce(Results::reduced, Materialized.as("sums")).toStream().to("out", Produced.with(windowed, STR)),
                Results::timed);
            both(each.getKey() + "_aggregate", b -> b.<String, String>stream("in").groupByKey().windowedBy(windows)
                .aggregate(() -> "<", (k, v, a) -> reduced(a, v), Materialized.as("sums"))
                .toStream().to("out", Produced.with(windowed, STR)), Results::timed);
        }
        both("windows_behind_a_filter", b -> b.<String, String>stream("in").filter((k, v) -> !"c".equals(k))
            .groupByKey().windowedBy(tumbling).count(Materialized.as("counts")).toStream()
            .map((w, n) -> KeyValue.pair(w.key() + "@" + w.window().start() + "-" + w.window().end(), n))
            .to("out", Produced.with(STR, LONG)), Results::timed);
        both("windowed_table_views", b -> b.<String, String>stream("in").groupByKey().windowedBy(tumbling)
            .count(Materialized.as("counts")).filter((w, n) -> n % 2 == 0).mapValues((w, n) -> w.key() + n)
            .toStream((w, v) -> w.key()).to("out"), Results::timed);
        both("windows_over_grouped", b -> b.<String, String>stream("in").groupBy((k, v) -> k == null ? "none" : "g")
            .windowedBy(hopping).count(Materialized.as("counts")).toStream((w, n) -> w.key() + w.window().start())
            .to("out", Produced.with(STR, LONG)), Results::timed);
    }

    // ------------------------------------------------------------------ tables

    private static void rows(final Harness h) {
        h.pipe("in", "a", "1", 10, "h", "1");
        h.pipe("in", "a", "1", 10);
        h.pipe("in", "b", "22", 20);
        h.pipe("in", null, "3", 21);
        h.pipe("in", "a", "44", 5, "h", "2");
        h.pipe("in", "a", null, 30);
        h.pipe("in", "a", null, 31);
        h.pipe("in", "z", null, 32);
        h.pipe("in", "b", "5", 33);
        h.pipe("in", "b", "66", 2);
    }

    private static void tables() {
        both("table", b -> b.<String, String>table("in", Materialized.as("rows")).toStream().to("out"),
            Results::rows);
        both("table_without_store", b -> b.<String, String>table("in").toStream().to("out"), Results::rows);
        both("table_filter", b -> {
            final KTable<String, String> table = b.table("in");
            table.filter((k, v) -> v.length() > 1).toStream().to("long");
            table.filterNot((k, v) -> v.length() > 1).toStream().to("short");
        }, Results::rows);
        both("table_filter_stored", b -> b.<String, String>table("in")
            .filter((k, v) -> v.length() > 1, Materialized.as("long-ones")).toStream().to("out"), Results::rows);
        both("table_map_values", b -> b.<String, String>table("in").mapValues(v -> v + v)
            .mapValues((k, v) -> k + v).toStream().to("out"), Results::rows);
        both("table_map_values_stored", b -> b.<String, String>table("in", Materialized.as("rows"))
            .mapValues(v -> v.length() > 1 ? null : v + v, Materialized.as("doubled")).toStream().to("out"),
            Results::rows);
        both("filter_behind_a_count", b -> b.<String, String>stream("in").groupByKey()
            .count(Materialized.as("counts")).filter((k, n) -> n > 2).toStream()
            .to("out", Produced.valueSerde(LONG)), Results::keyed);
        both("filter_behind_a_reduce", b -> b.<String, String>stream("in").groupByKey()
            .reduce(Results::reduced, Materialized.as("sums")).mapValues((k, v) -> k + v)
            .filter((k, v) -> v.length() > 2).mapValues((k, v) -> v + v).filterNot((k, v) -> v.length() > 10)
            .toStream().to("out"), Results::keyed);
        both("filter_behind_windows", b -> b.<String, String>stream("in").groupByKey()
            .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(10)))
            .count(Materialized.as("counts")).filter((w, n) -> n > 1).toStream((w, n) -> w.key())
            .to("out", Produced.with(STR, LONG)), Results::timed);
        both("filter_behind_a_stored_table", b -> b.<String, String>table("in", Materialized.as("rows"))
            .filter((k, v) -> v.length() > 1).toStream().to("out"), Results::rows);
        both("filter_stored_behind_a_stored_table", b -> b.<String, String>table("in", Materialized.as("rows"))
            .filter((k, v) -> v.length() > 1, Materialized.as("long-ones")).toStream().to("out"), Results::rows);
        both("to_table", b -> b.<String, String>stream("in").mapValues(v -> "4".equals(v) ? null : v)
            .toTable(Materialized.as("rows")).toStream((k, v) -> k + k).to("out"), Results::rows);
        both("to_table_rekeyed", b -> b.<String, String>stream("in").selectKey((k, v) -> v)
            .toTable(Named.as("again"), Materialized.as("rows")).toStream().to("out"), Results::rows);
    }

    // ------------------------------------------------------------------ joins

    private static void sides(final Harness h) {
        h.pipe("stream", "a", "s0", 1);
        h.pipe("table", "a", "t1", 10, "th", "1");
        h.pipe("stream", "a", "s1", 5, "sh", "1", "sh", "2");
        h.pipe("stream", "b", "s2", 20);
        h.pipe("stream", null, "s3", 21);
        h.pipe("stream", "a", null, 22);
        h.pipe("table", "a", "x", 3);
        h.pipe("stream", "a", "s4", 40);
        h.pipe("table", null, "t2", 41);
        h.pipe("table", "a", null, 42);
        h.pipe("stream", "a", "s5", 43);
        h.pipe("table", "b", "t3", 44);
        h.pipe("stream", "b", "s6", 2);
        h.pipe("stream", null, null, 50);
    }

    private static void joins() {
        both("join", b -> b.<String, String>stream("stream").join(b.<String, String>table("table"),
            (s, t) -> s + "+" + t).to("out"), Results::sides);
        both("left_join", b -> b.<String, String>stream("stream").leftJoin(b.<String, String>table("table"),
            (k, s, t) -> k + ":" + s + "+" + t).to("out"), Results::sides);
        both("join_view", b -> b.<String, String>stream("stream").leftJoin(
            b.<String, String>table("table").filter((k, t) -> !"x".equals(t)).mapValues((k, t) -> k + t),
            (s, t) -> s + "+" + t).to("out"), Results::sides);
        both("join_stored_view", b -> b.<String, String>stream("stream").join(
            b.<String, String>table("table").mapValues(t -> t + t, Materialized.as("doubled")),
            (s, t) -> s + "+" + t).to("out"), Results::sides);
        both("join_rekeyed", b -> b.<String, String>stream("stream")
            .selectKey((k, v) -> "s2".equals(v) ? "a" : k).join(b.<String, String>table("table"),
            (s, t) -> s + "+" + t).to("out"), Results::sides);
        both("left_join_rekeyed", b -> b.<String, String>stream("stream")
            .selectKey((k, v) -> "s2".equals(v) ? "a" : k).leftJoin(b.<String, String>table("table"),
            (s, t) -> s + "+" + t).to("out"), Results::sides);
        both("join_with_a_count", b -> {
            final KTable<String, Long> counts = b.<String, String>stream("table").groupByKey()
                .count(Materialized.as("counts"));
            b.<String, String>stream("stream").leftJoin(counts, (s, n) -> s + "+" + n).to("out");
        }, Results::sides);
        both("join_into_windows", b -> {
            final var windows = b.<String, String>stream("stream").groupByKey()
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(10), Duration.ofMillis(100)));
            final KTable<org.apache.kafka.streams.kstream.Windowed<String>, Long> counts =
                windows.count(Materialized.as("counts"));
            final KTable<org.apache.kafka.streams.kstream.Windowed<String>, String> texts =
                windows.reduce(Results::reduced, Materialized.as("texts"));
            counts.toStream().leftJoin(texts, (n, t) -> n + "/" + t).selectKey((w, v) -> w.key()).to("out");
            b.stream("table").to("unused");
        }, Results::sides);
        both("join_own_table", b -> {
            final KTable<String, String> table = b.table("in");
            table.toStream().leftJoin(table, (s, t) -> s + "+" + t).to("out");
        }, Results::rows);
    }

    // ------------------------------------------------------------------ processors

    /** Forwards a running text, and tells what it knows of the record. */
    private static final class Remember extends ContextualProcessor<String, String, String, String> {
        private KeyValueStore<String, String> store;

        @Override
        public void init(final ProcessorContext<String, String> context) {
            super.init(context);
            store = context.getStateStore("memory");
        }

        @Override
        public void process(final Record<String, String> record) {
            if (record.key() == null) {
                context().forward(record.withKey("none"));
                return;
            }
            final String before = store.get(record.key());
            store.put(record.key(), record.value() == null ? null : before + record.value());
            final var metadata = context().recordMetadata().orElseThrow();
            context().forward(record.withValue(before + "|" + metadata.topic() + metadata.partition()
                + metadata.offset() + "|" + context().currentStreamTimeMs()));
            context().forward(record.withTimestamp(record.timestamp() + 100).withValue(store.get(record.key())));
        }
    }

    private static final class Values extends ContextualFixedKeyProcessor<String, String, String> {
        private KeyValueStore<String, String> store;

        @Override
        public void init(final FixedKeyProcessorContext<String, String> context) {
            super.init(context);
            store = context.getStateStore("memory");
        }

        @Override
        public void process(final FixedKeyRecord<String, String> record) {
            final String key = record.key() == null ? "none" : record.key();
            context().forward(record.withValue(store.putIfAbsent(key, up(record.value()))));
            context().forward(record.withValue(store.approximateNumEntries() + ""));
        }
    }

    private static final class Router extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(final Record<String, String> record) {
            context().forward(record, record.value() == null ? "nulls" : "texts");
            if ("drop".equals(record.value())) {
                context().forward(record.withValue("all"));
            }
        }
    }

    private static void memory(final StreamsBuilder b) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("memory"), STR, STR));
    }

    private static void processors() {
        run("process", 0, b -> {
            memory(b);
            b.<String, String>stream("in").process(Remember::new, "memory").to("out");
        }, Results::mixed);
        run("process_values", 0, b -> {
            memory(b);
            b.<String, String>stream("in").processValues(Values::new, "memory").to("out");
        }, Results::mixed);
        run("forward_to_a_child", 0, b -> {
            final KStream<String, String> routed = b.<String, String>stream("in").process(Router::new);
            routed.mapValues(v -> "null", Named.as("nulls")).to("out-nulls");
            routed.mapValues(v -> up(v), Named.as("texts")).to("out-texts");
        }, Results::mixed);
        run("process_then_count", 0, b -> {
            memory(b);
            b.<String, String>stream("in").process(Remember::new, "memory").groupByKey()
                .count(Materialized.as("counts")).toStream().to("out", Produced.valueSerde(LONG));
        }, Results::mixed);
        run("window_store", 0, b -> {
            b.addStateStore(Stores.windowStoreBuilder(Stores.persistentWindowStore(
                "windows", Duration.ofMillis(50), Duration.ofMillis(10), false), STR, STR));
            b.<String, String>stream("in").process(() -> new ContextualProcessor<String, String, String, String>() {
                @Override
                public void process(final Record<String, String> record) {
                    final WindowStore<String, String> store = context().getStateStore("windows");
                    final String key = record.key() == null ? "none" : record.key();
                    final long start = record.timestamp() / 10 * 10;
                    final String before = store.fetch(key, start);
                    store.put(key, record.value(), start);
                    final StringBuilder seen = new StringBuilder(before + ":");
                    try (var found = store.fetch(key, 0, 1_000)) {
                        found.forEachRemaining(each -> seen.append(each.key).append(each.value));
                    }
                    context().forward(record.withValue(seen.toString()));
                }
            }, "windows").to("out");
        }, Results::timed);
    }

    // ------------------------------------------------------------------ punctuators

    /** Schedules in {@code init} and forwards what time it is. */
    private static final class Ticker extends ContextualProcessor<String, String, String, String> {
        private final List<Consumer<Ticker>> schedules;
        private Cancellable cancellable;
        private int calls;

        private Ticker(final List<Consumer<Ticker>> schedules) {
            this.schedules = schedules;
        }

        @Override
        public void init(final ProcessorContext<String, String> context) {
            super.init(context);
            schedules.forEach(each -> each.accept(this));
        }

        @Override
        public void process(final Record<String, String> record) {
            if ("schedule".equals(record.value())) {
                every(7, PunctuationType.STREAM_TIME, "late");
            }
            context().forward(record);
        }

        private void tick(final String name, final long time) {
            final var metadata = context().recordMetadata();
            context().forward(new Record<>(name, time + "|" + context().currentStreamTimeMs() + "|"
                + context().currentSystemTimeMs() + "|"
                + metadata.map(each -> each.topic() + each.partition() + each.offset()).orElse("empty"), time));
        }

        private void every(final long interval, final PunctuationType type, final String name) {
            context().schedule(Duration.ofMillis(interval), type, time -> tick(name, time));
        }

        private void from(final long start, final long interval, final PunctuationType type, final String name) {
            context().schedule(
                Instant.ofEpochMilli(start), Duration.ofMillis(interval), type, time -> tick(name, time));
        }

        private void twice(final long interval, final PunctuationType type) {
            cancellable = context().schedule(Duration.ofMillis(interval), type, time -> {
                tick("twice", time);
                calls++;
                if (calls == 2) {
                    cancellable.cancel();
                }
            });
        }
    }

    @SafeVarargs
    private static void ticking(
        final String name, final Consumer<Harness> script, final Consumer<Ticker>... schedules
    ) {
        run(name, 0, b -> b.<String, String>stream("in").process(() -> new Ticker(List.of(schedules))).to("out"),
            script);
    }

    private static void punctuators() {
        final PunctuationType stream = PunctuationType.STREAM_TIME;
        final PunctuationType wall = PunctuationType.WALL_CLOCK_TIME;
        final Consumer<Harness> records = h -> {
            for (final long time : new long[] {3, 5, 10, 12, 9, 20, 55, 56, 60, 61}) {
                h.pipe("in", "k", "v" + time, time);
            }
        };
        final Consumer<Harness> clock = h -> {
            h.advance(4);
            h.pipe("in", "k", "v", 1_000);
            for (final long ms : new long[] {5, 1, 10, 35, 1, 5, 4}) {
                h.advance(ms);
            }
        };
        ticking("punctuate_stream_time", records, t -> t.every(10, stream, "ten"), t -> t.every(5, stream, "five"));
        ticking("punctuate_wall_clock", clock, t -> t.every(10, wall, "ten"), t -> t.every(5, wall, "five"));
        ticking("punctuate_and_cancel", h -> {
            records.accept(h);
            clock.accept(h);
        }, t -> t.twice(10, stream), t -> t.every(30, wall, "thirty"));
        ticking("punctuate_and_cancel_wall_clock", clock, t -> t.twice(5, wall));
        ticking("punctuate_from", h -> {
            records.accept(h);
            clock.accept(h);
        }, t -> t.from(7, 10, stream, "from 7"), t -> t.from(2, 10, wall, "from 2"));
        ticking("punctuate_from_past_and_future", h -> {
            h.advance(1);
            records.accept(h);
            clock.accept(h);
        }, t -> t.from(50, 10, stream, "from 50"), t -> t.from(40, 10, wall, "from 40"));
        ticking("punctuate_scheduled_later", h -> {
            h.pipe("in", "k", "v", 3);
            h.pipe("in", "k", "schedule", 10);
            h.pipe("in", "k", "v", 11);
            h.pipe("in", "k", "v", 14);
            h.pipe("in", "k", "v", 30);
        });
    }

    // ------------------------------------------------------------------ chains

    private static void chains() {
        both("count_of_counts", b -> b.<String, String>stream("in").groupBy((k, v) -> v == null ? "null" : v)
            .count(Materialized.as("first")).toStream().groupBy((k, n) -> n % 2 == 0 ? "even" : "odd",
                Grouped.with(STR, LONG)).reduce(Long::sum, Materialized.as("second")).toStream()
            .to("out", Produced.with(STR, LONG)), Results::keyed);
        both("windows_of_windows", b -> b.<String, String>stream("in").groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(10), Duration.ofMillis(100)))
            .count(Materialized.as("first")).toStream((w, n) -> "all")
            .groupByKey(Grouped.with(STR, LONG))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(20), Duration.ofMillis(5)))
            .reduce(Long::sum, Materialized.as("second")).toStream((w, n) -> w.key() + w.window().start())
            .to("out", Produced.with(STR, LONG)), Results::timed);
        both("through_a_topic", b -> {
            b.<String, String>stream("in").mapValues(v -> up(v)).to("between");
            b.<String, String>stream(List.of("between", "other")).groupByKey().count(Materialized.as("counts"))
                .toStream().to("out", Produced.valueSerde(LONG));
        }, h -> {
            mixed(h);
            h.pipe("other", "a", "x", 3);
            mixed(h);
        });
        both("count_feeds_join", b -> {
            final KStream<String, String> in = b.stream("in");
            final KTable<String, Long> counts = in.groupByKey().count(Materialized.as("counts"));
            in.leftJoin(counts, (v, n) -> v + n).to("out");
        }, Results::keyed);
    }
}
