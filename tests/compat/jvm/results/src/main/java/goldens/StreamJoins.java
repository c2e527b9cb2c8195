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
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.Stores;

/** Joins of two streams on random records; again in tests/streams/test_stream_join_results.py. */
public final class StreamJoins {
    private static final Serde<String> STR = Serdes.String();
    private static final String[] KEYS = {"a", "b", "c"};
    /** Wall-clock time stands still but for three steps, so that throttling shows. */
    private static final int[] ADVANCES = {17, 34, 51};

    private static Path directory;

    private StreamJoins() { }

    private static void run(final String name, final Consumer<StreamsBuilder> topology, final String... topics) {
        try {
            Harness.run(directory, name, 0, topology, h -> records(h, name.hashCode(), topics));
            final StreamsBuilder builder = new StreamsBuilder();
            topology.accept(builder);
            final Properties config = new Properties();
            config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
            Files.writeString(directory.resolve(name + ".txt"), builder.build(config).describe().toString());
        } catch (final IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Times walk back and forth around windows of some 10 ms, with leaps that close them. */
    private static void records(final Harness h, final int seed, final String... topics) {
        final Random random = new Random(seed);
        long time = 20;
        for (int number = 0; number < 60; number++) {
            for (final int advance : ADVANCES) {
                if (number == advance) {
                    h.advance(random.nextInt(1500));
                }
            }
            time += random.nextInt(8) - 2 + (random.nextInt(12) == 0 ? 30 : 0);
            final long at = Math.max(0, time - (random.nextInt(4) == 0 ? random.nextInt(25) : 0));
            final String topic = topics[random.nextInt(topics.length)];
            final String key = random.nextInt(15) == 0 ? null : KEYS[random.nextInt(KEYS.length)];
            final String value = random.nextInt(15) == 0 ? null : KEYS[random.nextInt(2)] + number;
            if (random.nextInt(4) == 0) {
                h.pipe(topic, key, value, at, "h", topic + number);
            } else {
                h.pipe(topic, key, value, at);
            }
        }
    }

    private static StreamJoined<String, String, String> joined() {
        return StreamJoined.with(STR, STR, STR);
    }

    private static JoinWindows within(final long before, final long after, final long grace) {
        return JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(100), Duration.ofMillis(grace))
            .before(Duration.ofMillis(before)).after(Duration.ofMillis(after));
    }

    private static String both(final String value, final String other) {
        return value + "-" + other;
    }

    private static String all(final String key, final String value, final String other) {
        return key + ":" + value + "-" + other;
    }

    private static KStream<String, String> rekeyed(final KStream<String, String> stream) {
        return stream.selectKey((k, v) -> v == null ? null : v.substring(0, 1));
    }

    private static void two(final String name, final Joins joins) {
        run(name, b -> joins.of(b.stream("left"), b.stream("right")).to("out", Produced.with(STR, STR)),
            "left", "right");
    }

    private static void one(final String name, final Joins joins) {
        run(name, b -> {
            final KStream<String, String> stream = b.stream("left");
            joins.of(stream, stream).to("out", Produced.with(STR, STR));
        }, "left");
    }

    private interface Joins {
        KStream<String, String> of(KStream<String, String> left, KStream<String, String> right);
    }

    public static void main(final String[] arguments) throws IOException {
        directory = Path.of(arguments[0]);
        Files.createDirectories(directory);
        two("inner", (l, r) -> l.join(r, StreamJoins::both, within(10, 10, 0), joined()));
        two("inner_with_key", (l, r) -> l.join(r, StreamJoins::all, within(10, 10, 5), joined()));
        two("inner_same_time", (l, r) -> l.join(r, StreamJoins::both, within(0, 0, 5), joined()));
        two("inner_same_time_without_grace", (l, r) -> l.join(r, StreamJoins::both, within(0, 0, 0), joined()));
        two("inner_later_only", (l, r) -> l.join(r, StreamJoins::both, within(-2, 12, 0), joined()));
        two("inner_earlier_only", (l, r) -> l.join(r, StreamJoins::both, within(12, -2, 0), joined()));
        two("left", (l, r) -> l.leftJoin(r, StreamJoins::both, within(10, 10, 5), joined()));
        two("left_with_key", (l, r) -> l.leftJoin(r, StreamJoins::all, within(5, 15, 0), joined()));
        two("left_later_only", (l, r) -> l.leftJoin(r, StreamJoins::both, within(-2, 12, 3), joined()));
        two("left_earlier_only", (l, r) -> l.leftJoin(r, StreamJoins::both, within(12, -2, 3), joined()));
        two("outer", (l, r) -> l.outerJoin(r, StreamJoins::both, within(10, 10, 5), joined()));
        two("outer_with_key", (l, r) -> l.outerJoin(r, StreamJoins::all, within(10, 10, 0), joined()));
        two("outer_uneven", (l, r) -> l.outerJoin(r, StreamJoins::both, within(3, 15, 5), joined()));
        two("outer_same_time", (l, r) -> l.outerJoin(r, StreamJoins::both, within(0, 0, 0), joined()));
        two("inner_in_memory", (l, r) -> l.join(r, StreamJoins::both, within(10, 10, 0),
            joined().withDslStoreSuppliers(BuiltInDslStoreSuppliers.IN_MEMORY)));
        two("outer_in_memory", (l, r) -> l.outerJoin(r, StreamJoins::both, within(10, 10, 0),
            joined().withDslStoreSuppliers(BuiltInDslStoreSuppliers.IN_MEMORY)));
        two("inner_named", (l, r) -> l.join(r, StreamJoins::both, within(10, 10, 5), joined().withName("join")));
        two("left_named", (l, r) -> l.leftJoin(r, StreamJoins::both, within(10, 10, 5),
            joined().withName("join").withStoreName("kept")));
        two("outer_named", (l, r) -> l.outerJoin(r, StreamJoins::both, within(10, 10, 5),
            joined().withName("join").withStoreName("kept").withLoggingDisabled()));
        two("left_own_stores", (l, r) -> l.leftJoin(r, StreamJoins::both, within(10, 10, 5),
            joined().withThisStoreSupplier(Stores.inMemoryWindowStore(
                "mine", Duration.ofMillis(25), Duration.ofMillis(20), true))
                .withOtherStoreSupplier(Stores.persistentWindowStore(
                    "others", Duration.ofMillis(25), Duration.ofMillis(20), true))));
        two("left_rekeyed", (l, r) -> rekeyed(l).leftJoin(r, StreamJoins::both, within(10, 10, 5), joined()));
        two("inner_right_rekeyed", (l, r) -> l.join(rekeyed(r), StreamJoins::both, within(10, 10, 5), joined()));
        two("inner_rekeyed_named", (l, r) -> rekeyed(l).join(rekeyed(r), StreamJoins::both, within(10, 10, 5),
            joined().withName("join")));
        two("outer_rekeyed", (l, r) -> rekeyed(l).outerJoin(rekeyed(r), StreamJoins::both, within(10, 10, 5),
            joined()));
        two("rekeyed_twice_joined", (l, r) -> {
            final KStream<String, String> keyed = rekeyed(l);
            return keyed.join(r, StreamJoins::both, within(10, 10, 5), joined())
                .merge(keyed.leftJoin(r, StreamJoins::both, within(5, 5, 0), joined()));
        });
        two("chain", (l, r) -> l.leftJoin(r, StreamJoins::both, within(10, 10, 0), joined())
            .outerJoin(r, StreamJoins::both, within(5, 5, 5), joined()));
        two("join_then_count", (l, r) -> l.join(r, StreamJoins::both, within(10, 10, 5), joined())
            .groupByKey(Grouped.with(STR, STR)).count().toStream().mapValues(v -> "" + v));
        one("self_inner", (l, r) -> l.join(r, StreamJoins::both, within(10, 10, 5), joined()));
        one("self_left", (l, r) -> l.leftJoin(r, StreamJoins::both, within(5, 10, 0), joined()));
        one("self_outer", (l, r) -> l.outerJoin(r, StreamJoins::both, within(10, 10, 5), joined()));
        one("self_mapped", (l, r) -> l.join(r.mapValues(v -> v == null ? null : v + "!"), StreamJoins::both,
            within(10, 10, 5), joined()));
        one("self_rekeyed", (l, r) -> {
            final KStream<String, String> keyed = rekeyed(l);
            return keyed.outerJoin(keyed, StreamJoins::both, within(10, 10, 5), joined());
        });
    }
}
