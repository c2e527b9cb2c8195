package goldens;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.Random;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.ValueTransformerWithKey;
import org.apache.kafka.streams.processor.ProcessorContext;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Operators of tables, on random updates; the topologies again in tests/streams/test_tables.py. */
public final class Tables {
    static final Serde<String> STR = Serdes.String();
    static final Serde<Long> LONG = Serdes.Long();
    private static final String[] KEYS = {"a", "b", "c", "d"};

    private static Path directory;

    private Tables() { }

    /** Writes what comes out without and with a cache, and the description. */
    static void both(final String name, final Consumer<StreamsBuilder> topology, final String... topics) {
        try {
            Harness.run(directory, name, 0, topology, h -> updates(h, name.hashCode(), topics));
            Harness.run(directory, name + "_cached", 1_000_000, topology, h -> updates(h, name.hashCode(), topics));
            final StreamsBuilder builder = new StreamsBuilder();
            topology.accept(builder);
            final Properties config = new Properties();
            config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
            Files.writeString(directory.resolve(name + ".txt"), builder.build(config).describe().toString());
        } catch (final IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Puts and deletes rows of few keys at times that walk back and forth. */
    private static void updates(final Harness h, final int seed, final String... topics) {
        final Random random = new Random(seed);
        for (int number = 0; number < 60; number++) {
            final String topic = topics[random.nextInt(topics.length)];
            final String key = random.nextInt(20) == 0 ? null : KEYS[random.nextInt(KEYS.length)];
            final String value = random.nextInt(4) == 0 ? null : String.valueOf(random.nextInt(6));
            final long time = 10 + number * 2L + random.nextInt(30) - 15 + 5;
            if (random.nextInt(5) == 0) {
                h.pipe(topic, key, value, Math.max(0, time), "h", String.valueOf(number));
            } else {
                h.pipe(topic, key, value, Math.max(0, time));
            }
        }
    }

    static <V> Materialized<String, V, KeyValueStore<Bytes, byte[]>> store(final String name) {
        return Materialized.as(name);
    }

    private static String plus(final Object one, final Object two) {
        return one + "+" + two;
    }

    /** A reducer that may delete. */
    private static String add(final String aggregate, final String value) {
        return "5".equals(value) ? null : aggregate + "+" + value;
    }

    private static String subtract(final String aggregate, final String value) {
        return "4".equals(value) ? null : aggregate + "-" + value;
    }

    private static String parity(final String value) {
        return Integer.parseInt(value) % 2 == 0 ? "even" : "odd";
    }

    public static void main(final String[] arguments) throws IOException {
        directory = Path.of(arguments[0]);
        Files.createDirectories(directory);
        joins();
        chains();
        groups();
        transforms();
        foreignKeys();
        globals();
    }

    private static void joins() {
        both("join", b -> b.<String, String>table("left").join(b.<String, String>table("right"), Tables::plus)
            .toStream().to("out"), "left", "right");
        both("left_join", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"), Tables::plus)
            .toStream().to("out"), "left", "right");
        both("outer_join", b -> b.<String, String>table("left").outerJoin(b.<String, String>table("right"), Tables::plus)
            .toStream().to("out"), "left", "right");
        both("join_stored", b -> b.<String, String>table("left").join(b.<String, String>table("right"),
            Tables::plus, store("joined")).toStream().to("out"), "left", "right");
        both("left_join_stored_and_named", b -> b.<String, String>table("left", store("l"))
            .leftJoin(b.<String, String>table("right", store("r")), Tables::plus, Named.as("both"), store("joined"))
            .toStream().to("out"), "left", "right");
        both("outer_join_options_without_name", b -> b.<String, String>table("left")
            .outerJoin(b.<String, String>table("right"), Tables::plus, Materialized.with(STR, STR))
            .toStream().to("out"), "left", "right");
        both("join_named", b -> b.<String, String>table("left").join(b.<String, String>table("right"), Tables::plus,
            Named.as("both")).toStream().to("out"), "left", "right");
        both("join_with_itself", b -> {
            final KTable<String, String> table = b.table("left");
            table.join(table, Tables::plus).toStream().to("out");
        }, "left");
        both("outer_join_with_itself", b -> {
            final KTable<String, String> table = b.table("left");
            table.outerJoin(table, Tables::plus, store("joined")).filter((k, v) -> v.startsWith("1"))
                .toStream().to("out");
        }, "left");
        both("join_to_null", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"),
            (l, r) -> r == null ? null : l + r).toStream().to("out"), "left", "right");
        both("join_of_views", b -> {
            final KTable<String, String> left = b.<String, String>table("left").filter((k, v) -> !"1".equals(v));
            final KTable<String, String> right = b.<String, String>table("right").mapValues(v -> "2".equals(v) ? null : v + v);
            left.outerJoin(right, Tables::plus).toStream().to("out");
        }, "left", "right");
        both("join_of_stored_views", b -> {
            final KTable<String, String> left = b.<String, String>table("left").filter((k, v) -> !"1".equals(v), store("f"));
            final KTable<String, String> right = b.<String, String>table("right").mapValues(v -> v + v, store("m"));
            left.leftJoin(right, Tables::plus, store("j")).toStream().to("out");
        }, "left", "right");
        both("join_of_counts", b -> {
            final KTable<String, Long> left = b.<String, String>stream("left").groupByKey().count();
            final KTable<String, Long> right = b.<String, String>stream("right").groupByKey().count(store("r"));
            left.outerJoin(right, Tables::plus).toStream().to("out");
        }, "left", "right");
        both("join_of_windows", b -> {
            final TimeWindows windows = TimeWindows.ofSizeAndGrace(Duration.ofMillis(20), Duration.ofMillis(1000));
            b.<String, String>stream("left").groupByKey().windowedBy(windows).count()
                .outerJoin(b.<String, String>stream("right").groupByKey().windowedBy(windows).count(), Tables::plus)
                .toStream((w, v) -> w.key() + w.window().start()).to("out");
        }, "left", "right");
    }

    private static void chains() {
        both("filter_behind_a_join", b -> b.<String, String>table("left").join(b.<String, String>table("right"),
            Tables::plus).filter((k, v) -> v.startsWith("1")).toStream().to("out"), "left", "right");
        both("filter_behind_a_left_join", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"),
            Tables::plus, store("j")).filter((k, v) -> v.startsWith("1")).toStream().to("out"), "left", "right");
        both("filter_before_its_source_is_stored", b -> {
            final KTable<String, String> left = b.table("left");
            left.filter((k, v) -> v.startsWith("1")).toStream().to("early");
            left.join(b.<String, String>table("right"), Tables::plus).toStream().to("out");
            left.filter((k, v) -> v.startsWith("1")).toStream().to("late");
        }, "left", "right");
        both("filter_asked_through_views", b -> {
            final KTable<String, String> left = b.table("left");
            left.mapValues(v -> v + v).filter((k, v) -> v.startsWith("1")).mapValues(v -> v + "!")
                .outerJoin(b.<String, String>table("right"), Tables::plus).toStream().to("out");
        }, "left", "right");
        both("join_of_joins", b -> {
            final KTable<String, String> one = b.table("one");
            final KTable<String, String> two = b.table("two");
            final KTable<String, String> three = b.table("three");
            one.join(two, Tables::plus).leftJoin(three.outerJoin(two, Tables::plus), Tables::plus).toStream().to("out");
        }, "one", "two", "three");
        both("left_join_of_left_joins", b -> {
            final KTable<String, String> one = b.table("one");
            final KTable<String, String> two = b.table("two");
            final KTable<String, String> three = b.table("three");
            one.leftJoin(two, Tables::plus).mapValues(v -> v + "!").leftJoin(one.leftJoin(three, Tables::plus)
                .filter((k, v) -> !v.startsWith("1")), Tables::plus).toStream().to("out");
        }, "one", "two", "three");
        both("stream_joins_a_join", b -> {
            final KTable<String, String> joined = b.<String, String>table("left")
                .outerJoin(b.<String, String>table("right"), Tables::plus).mapValues(v -> v + "!");
            b.<String, String>stream("stream").leftJoin(joined, Tables::plus).to("out");
        }, "left", "right", "stream");
    }

    private static void groups() {
        both("group_count", b -> b.<String, String>table("left").groupBy((k, v) -> KeyValue.pair(parity(v), v))
            .count().toStream().to("out", Produced.valueSerde(LONG)), "left");
        both("group_count_stored", b -> b.<String, String>table("left").groupBy((k, v) -> KeyValue.pair(v, k),
            Grouped.as("by-value")).count(Named.as("counter"), store("counts")).toStream()
            .to("out", Produced.valueSerde(LONG)), "left");
        both("group_reduce", b -> b.<String, String>table("left").groupBy((k, v) -> KeyValue.pair(parity(v), v))
            .reduce(Tables::add, Tables::subtract, store("sums")).toStream().to("out"), "left");
        both("group_aggregate", b -> b.<String, String>table("left").groupBy((k, v) -> KeyValue.pair(parity(v), v))
            .aggregate(() -> "<", (k, v, a) -> add(a, k + v), (k, v, a) -> subtract(a, v), Materialized.with(STR, STR))
            .toStream().to("out"), "left");
        both("group_to_nothing", b -> b.<String, String>table("left").groupBy((k, v) -> "1".equals(v) ? null
            : KeyValue.pair("2".equals(v) ? null : parity(v), "3".equals(v) ? null : v))
            .reduce(Tables::add, Tables::subtract).toStream().to("out"), "left");
        both("group_of_a_count", b -> b.<String, String>stream("left").groupByKey().count()
            .groupBy((k, n) -> KeyValue.pair(n % 2 == 0 ? "even" : "odd", n), Grouped.with(STR, LONG))
            .reduce(Long::sum, (x, y) -> x - y, Materialized.with(STR, LONG)).toStream()
            .to("out", Produced.valueSerde(LONG)), "left");
        both("group_of_a_filtered_count", b -> b.<String, String>stream("left").groupByKey().count()
            .filter((k, n) -> n % 2 == 0).groupBy((k, n) -> KeyValue.pair("all", n), Grouped.with(STR, LONG))
            .count().toStream().to("out", Produced.valueSerde(LONG)), "left");
        both("group_of_an_aggregate", b -> b.<String, String>stream("left").groupByKey()
            .aggregate(() -> "<", (k, v, a) -> add(a, v), Materialized.with(STR, STR))
            .groupBy((k, v) -> KeyValue.pair(v.length() % 4 == 0 ? "x" : "y", v))
            .reduce(Tables::add, Tables::subtract).toStream().to("out"), "left");
        both("group_of_a_reduce", b -> b.<String, String>stream("left").groupByKey()
            .reduce(Tables::add).groupBy((k, v) -> KeyValue.pair(v.length() % 4 == 0 ? "x" : "y", v))
            .count().toStream().to("out", Produced.valueSerde(LONG)), "left");
        both("group_of_a_join", b -> b.<String, String>table("left").join(b.<String, String>table("right"), Tables::plus)
            .groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v)).reduce(Tables::add, Tables::subtract)
            .toStream().to("out"), "left", "right");
        both("group_of_a_left_join", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"), Tables::plus,
            store("j")).groupBy((k, v) -> KeyValue.pair(v.substring(0, 1), v)).reduce(Tables::add, Tables::subtract)
            .toStream().to("out"), "left", "right");
        both("group_of_views", b -> b.<String, String>table("left").mapValues(v -> v + v).filter((k, v) -> !"11".equals(v))
            .mapValues((k, v) -> k + v, store("m")).groupBy((k, v) -> KeyValue.pair(v.substring(1, 2), k))
            .reduce(Tables::add, Tables::subtract).toStream().to("out"), "left");
        both("group_of_windows", b -> b.<String, String>stream("left").groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(20), Duration.ofMillis(5))).count()
            .groupBy((w, n) -> KeyValue.pair(w.key(), n), Grouped.with(STR, LONG))
            .reduce(Long::sum, (x, y) -> x - y, Materialized.with(STR, LONG)).toStream()
            .to("out", Produced.valueSerde(LONG)), "left");
        both("group_named_used_twice", b -> {
            final KGroupedTable<String, String> groups = b.<String, String>table("left")
                .groupBy((k, v) -> KeyValue.pair(v, k), Grouped.as("g"));
            groups.count(store("counts")).toStream().to("out", Produced.valueSerde(LONG));
            groups.reduce(Tables::add, Tables::subtract).toStream().to("more");
        }, "left");
        both("group_used_twice", b -> {
            final KGroupedTable<String, String> groups = b.<String, String>table("left")
                .groupBy((k, v) -> KeyValue.pair(v, k));
            groups.count().toStream().to("out", Produced.valueSerde(LONG));
            groups.reduce(Tables::add, Tables::subtract, Named.as("r"), store("sums")).toStream().to("more");
        }, "left");
        both("group_of_groups", b -> b.<String, String>table("left").groupBy((k, v) -> KeyValue.pair(v, k)).count()
            .filter((k, n) -> n > 0).groupBy((k, n) -> KeyValue.pair(parity(k), n), Grouped.with(STR, LONG))
            .reduce(Long::sum, (x, y) -> x - y, Materialized.with(STR, LONG)).toStream()
            .to("out", Produced.valueSerde(LONG)), "left");
    }

    /** Tells how often it was called for the key, from a store. */
    private static final class Numbered implements ValueTransformerWithKey<String, String, String> {
        private KeyValueStore<String, Long> calls;

        @Override
        public void init(final ProcessorContext context) {
            calls = context.getStateStore("calls");
        }

        @Override
        public String transform(final String key, final String value) {
            final Long before = calls.get(key);
            final long number = before == null ? 1 : before + 1;
            calls.put(key, number);
            return "3".equals(value) ? null : key + value + "#" + number;
        }

        @Override
        public void close() { }
    }

    /** Needs no store. */
    private static final class Shouting implements ValueTransformerWithKey<String, String, String> {
        @Override
        public void init(final ProcessorContext context) { }

        @Override
        public String transform(final String key, final String value) {
            return value == null ? null : "2".equals(value) ? null : key + value + "!";
        }

        @Override
        public void close() { }
    }

    private static void calls(final StreamsBuilder b) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("calls"), STR, LONG));
    }

    private static void transforms() {
        both("transform_values", b -> {
            calls(b);
            b.<String, String>table("left").transformValues(Numbered::new, "calls").toStream().to("out");
        }, "left");
        both("transform_values_stored", b -> {
            calls(b);
            b.<String, String>table("left").transformValues(Numbered::new, store("mine"), Named.as("named"), "calls")
                .toStream().to("out");
        }, "left");
        both("transform_values_grouped", b -> {
            calls(b);
            b.<String, String>table("left").transformValues(Numbered::new, "calls")
                .groupBy((k, v) -> KeyValue.pair(k, v)).reduce(Tables::add, Tables::subtract).toStream().to("out");
        }, "left");
        both("transform_values_stored_and_grouped", b -> {
            calls(b);
            b.<String, String>table("left", store("rows")).transformValues(Numbered::new, store("mine"), "calls")
                .filter((k, v) -> !k.equals("b")).groupBy((k, v) -> KeyValue.pair(k, v))
                .reduce(Tables::add, Tables::subtract).toStream().to("out");
        }, "left");
        both("transform_values_joined", b -> {
            final KTable<String, String> shouted = b.<String, String>table("left")
                .transformValues(Shouting::new, Materialized.with(STR, STR));
            shouted.leftJoin(b.<String, String>table("right"), Tables::plus).toStream().to("out");
            b.<String, String>stream("stream").leftJoin(shouted, Tables::plus).to("joined");
        }, "left", "right", "stream");
    }

    /** Which row of the other table a value refers to. */
    private static String reference(final String value) {
        return "5".equals(value) ? null : KEYS[Integer.parseInt(value.substring(0, 1)) % 4];
    }

    private static void foreignKeys() {
        both("foreign_join", b -> b.<String, String>table("left").join(b.<String, String>table("right"),
            Tables::reference, Tables::plus).toStream().to("out"), "left", "right");
        both("foreign_left_join", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"),
            Tables::reference, Tables::plus).toStream().to("out"), "left", "right");
        both("foreign_join_stored", b -> b.<String, String>table("left", store("l")).join(
            b.<String, String>table("right", store("r")), Tables::reference, Tables::plus, store("joined"))
            .toStream().to("out"), "left", "right");
        both("foreign_left_join_named", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"),
            (k, v) -> "d".equals(k) ? "a" : reference(v), Tables::plus, TableJoined.as("refer"), store("joined"))
            .toStream().to("out"), "left", "right");
        both("foreign_join_options_without_name", b -> b.<String, String>table("left").join(b.<String, String>table("right"),
            Tables::reference, Tables::plus, Materialized.with(STR, STR)).filter((k, v) -> v.startsWith("1"))
            .toStream().to("out"), "left", "right");
        both("foreign_join_with_itself", b -> {
            final KTable<String, String> table = b.table("left");
            table.join(table, Tables::reference, Tables::plus).toStream().to("out");
        }, "left");
        both("foreign_left_join_of_views", b -> b.<String, String>table("left").filter((k, v) -> !"1".equals(v))
            .mapValues(v -> v + v).leftJoin(b.<String, String>table("right").mapValues(v -> "2".equals(v) ? null : v + "!"),
            Tables::reference, Tables::plus).toStream().to("out"), "left", "right");
        both("foreign_join_of_aggregates", b -> {
            final KTable<String, String> left = b.<String, String>stream("left").groupByKey()
                .reduce((x, y) -> y);
            final KTable<String, Long> right = b.<String, String>stream("right").groupByKey().count();
            left.join(right, Tables::reference, Tables::plus).toStream().to("out");
        }, "left", "right");
        both("foreign_join_grouped", b -> b.<String, String>table("left").join(b.<String, String>table("right"),
            Tables::reference, Tables::plus).groupBy((k, v) -> KeyValue.pair(v.substring(2), k))
            .reduce(Tables::add, Tables::subtract).toStream().to("out"), "left", "right");
        both("foreign_joins_in_a_row", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"),
            Tables::reference, Tables::plus).join(b.<String, String>table("third"), Tables::reference, Tables::plus)
            .toStream().to("out"), "left", "right", "third");
        both("foreign_join_joined_by_key", b -> b.<String, String>table("left").leftJoin(b.<String, String>table("right"),
            Tables::reference, Tables::plus).outerJoin(b.<String, String>table("third"), Tables::plus)
            .toStream().to("out"), "left", "right", "third");
    }

    /** Writes a global store. */
    private static final class Keep implements Processor<String, String, Void, Void> {
        private KeyValueStore<String, String> store;

        @Override
        public void init(final org.apache.kafka.streams.processor.api.ProcessorContext<Void, Void> context) {
            store = context.getStateStore("kept");
        }

        @Override
        public void process(final Record<String, String> record) {
            if (record.key() != null) {
                store.put(record.key(), record.value() == null ? null : record.value() + "@" + record.timestamp());
            }
        }
    }

    /** Reads a global store that it is not connected to. */
    private static final class Look extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(final Record<String, String> record) {
            final KeyValueStore<String, String> store = context().getStateStore("kept");
            context().forward(record.withValue(record.key() == null ? "none" : store.get(record.key())));
        }
    }

    private static void globals() {
        both("global_join", b -> b.<String, String>stream("left").join(b.<String, String>globalTable("right"),
            (k, v) -> v == null ? null : KEYS[Integer.parseInt(v) % 4], Tables::plus).to("out"), "left", "right");
        both("global_left_join", b -> {
            final GlobalKTable<String, String> table = b.globalTable("right", Materialized.as("rows"));
            b.<String, String>stream("left").leftJoin(table, (k, v) -> k, (k, v, w) -> k + ":" + v + "+" + w,
                Named.as("look-up")).to("out");
        }, "left", "right");
        both("global_join_of_a_rekeyed_stream", b -> {
            final GlobalKTable<String, String> table = b.globalTable("right", Consumed.as("everywhere"));
            b.<String, String>stream("left").selectKey((k, v) -> v).leftJoin(table, (k, v) -> k, Tables::plus)
                .groupByKey().count().toStream().to("out", Produced.valueSerde(LONG));
            b.<String, String>stream("third").join(table, (k, v) -> k, Tables::plus).to("more");
        }, "left", "right", "third");
        both("global_tables", b -> {
            final GlobalKTable<String, String> one = b.globalTable("one");
            final KTable<String, String> table = b.table("table");
            final GlobalKTable<String, String> two = b.globalTable("two");
            table.toStream().leftJoin(one, (k, v) -> k, Tables::plus).leftJoin(two, (k, v) -> k, Tables::plus).to("out");
        }, "one", "two", "table");
        both("global_store", b -> {
            b.addGlobalStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("kept"), STR, STR), "right",
                Consumed.with(STR, STR), Keep::new);
            b.<String, String>stream("left").process(Look::new).to("out");
        }, "left", "right");
    }
}
