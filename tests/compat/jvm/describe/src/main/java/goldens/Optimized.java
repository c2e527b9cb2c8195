package goldens;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TopologyConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Writes what Kafka Streams says of optimised topologies into {@code <directory>/<case>.<setting>.txt}.
 *
 * <p>The same cases are written in Python in {@code tests/streams/test_optimization.py}.
 */
public final class Optimized {
    private static final Serde<String> STR = Serdes.String();
    private static final String REUSE = StreamsConfig.REUSE_KTABLE_SOURCE_TOPICS;
    private static final String MERGE = StreamsConfig.MERGE_REPARTITION_TOPICS;
    private static final String SELF = StreamsConfig.SINGLE_STORE_SELF_JOIN;
    private static final Map<String, String> CASES = new TreeMap<>();

    private Optimized() { }

    private static void add(final String name, final String setting, final Consumer<StreamsBuilder> build) {
        final Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "nowhere:1");
        config.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, setting);
        // Without it records whose keys a processor changes pass by the merged topic (KAFKA-19668).
        config.put(TopologyConfig.InternalConfig.ENABLE_PROCESS_PROCESSVALUE_FIX, true);
        final StreamsBuilder builder = new StreamsBuilder(new TopologyConfig(new StreamsConfig(config)));
        build.accept(builder);
        CASES.put(name + "." + setting, builder.build(config).describe().toString());
    }

    private static void all(final String name, final Consumer<StreamsBuilder> build) {
        add(name, StreamsConfig.OPTIMIZE, build);
    }

    private static void each(final String name, final Consumer<StreamsBuilder> build) {
        for (final String setting : List.of(StreamsConfig.NO_OPTIMIZATION, StreamsConfig.OPTIMIZE, REUSE, MERGE, SELF,
                REUSE + "," + SELF)) {
            add(name, setting, build);
        }
    }

    private static KStream<String, String> in(final StreamsBuilder b, final String topic) {
        return b.stream(topic, Consumed.with(STR, STR));
    }

    private static KTable<String, String> table(final StreamsBuilder b, final String topic) {
        return b.table(topic, Consumed.with(STR, STR));
    }

    private static KStream<String, String> swapped(final StreamsBuilder b, final String topic) {
        return in(b, topic).map((k, v) -> KeyValue.pair(v, k));
    }

    private static KGroupedStream<String, String> keyed(final KStream<String, String> stream) {
        return stream.groupByKey(Grouped.with(STR, STR));
    }

    private static void last(final KGroupedStream<String, String> group) {
        group.reduce((a, v) -> v);
    }

    private static Grouped<String, String> grouped(final String name) {
        return Grouped.with(name, STR, STR);
    }

    private static StreamJoined<String, String, String> joined() {
        return StreamJoined.with(STR, STR, STR);
    }

    private static JoinWindows minute() {
        return JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofMinutes(1));
    }

    private static void repartitions() {
        all("aggregations", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s).count();
            last(keyed(s));
            keyed(s).aggregate(() -> "", (k, v, a) -> a, Materialized.with(STR, STR));
            s.to("z", Produced.with(STR, STR));
        });
        all("one_aggregation", b -> keyed(swapped(b, "a")).count());
        all("behind_filters", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s.filter((k, v) -> true)).count();
            keyed(s.peek((k, v) -> { }).filterNot((k, v) -> false)).count();
            last(keyed(s));
        });
        all("named", b -> {
            final KStream<String, String> s = swapped(b, "a");
            s.groupByKey(grouped("first")).count(Materialized.as("counts"));
            s.groupByKey(grouped("second")).reduce((a, v) -> v, Materialized.as("lasts"));
        });
        all("named_store", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s).count(Materialized.as("counts"));
            last(keyed(s));
        });
        all("shared_group", b -> {
            final KStream<String, String> s = swapped(b, "a");
            final KGroupedStream<String, String> shared = s.groupByKey(grouped("shared"));
            shared.count();
            last(keyed(s));
            last(shared);
        });
        all("value_changes", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s.mapValues(v -> v)).count();
            keyed(s.flatMapValues(v -> List.of(v))).count();
            keyed(s).count();
            keyed(s.filter((k, v) -> true).mapValues(v -> v)).count();
        });
        all("value_changes_in_front", b -> {
            final KStream<String, String> s = in(b, "a").mapValues(v -> v).selectKey((k, v) -> v);
            keyed(s).count();
            last(keyed(s));
        });
        all("two_group_bys", b -> {
            final KStream<String, String> s = in(b, "a");
            s.groupBy((k, v) -> v, Grouped.with(STR, STR)).count();
            s.groupBy((k, v) -> v + k, Grouped.with(STR, STR)).count();
        });
        all("one_group_by", b -> {
            final KGroupedStream<String, String> g = in(b, "a").groupBy((k, v) -> v, Grouped.with(STR, STR));
            g.count();
            last(g);
            g.windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(1))).count();
            g.windowedBy(SessionWindows.ofInactivityGapWithNoGrace(Duration.ofMinutes(1))).count();
        });
        all("key_changes_in_a_row", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s).count();
            keyed(s.selectKey((k, v) -> v)).count();
        });
        all("merged_streams", b -> {
            final KStream<String, String> s = swapped(b, "a").merge(swapped(b, "b"));
            keyed(s).count();
            last(keyed(s));
        });
        all("merged_with_plain", b -> {
            final KStream<String, String> s = in(b, "a").merge(swapped(b, "b"));
            keyed(s).count();
            last(keyed(s));
        });
        all("merged_filters", b -> {
            final KStream<String, String> s = swapped(b, "a").filter((k, v) -> true)
                .merge(swapped(b, "b").peek((k, v) -> { }));
            last(keyed(s));
        });
        all("branch", b -> {
            final KStream<String, String> s = swapped(b, "a");
            final Map<String, KStream<String, String>> arms =
                s.split().branch((k, v) -> true).branch((k, v) -> false).noDefaultBranch();
            keyed(arms.get("KSTREAM-BRANCH-00000000021")).count();
            arms.get("KSTREAM-BRANCH-00000000022").to("z", Produced.with(STR, STR));
            last(keyed(s));
        });
        all("explicit", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s.repartition(Repartitioned.with(STR, STR).withName("mine").withNumberOfPartitions(3))).count();
            keyed(s).count();
        });
        all("to_table", b -> {
            final KStream<String, String> s = swapped(b, "a");
            s.toTable(Materialized.with(STR, STR)).toStream().to("z", Produced.with(STR, STR));
            keyed(s).count();
        });
        all("cogroup", b -> {
            final KStream<String, String> s = swapped(b, "a");
            final KStream<String, String> other = swapped(b, "b");
            s.groupByKey(grouped("one")).<String>cogroup((k, v, a) -> a)
                .cogroup(other.groupByKey(grouped("two")), (k, v, a) -> a)
                .aggregate(() -> "", Materialized.with(STR, STR));
            keyed(s).count();
        });
        all("process", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s.process(Describe.Copy::new)).count();
            keyed(s.processValues(Describe.CopyValues::new)).count();
            keyed(s).count();
        });
        all("count_then_count", b -> {
            final KStream<String, String> s = swapped(b, "a");
            keyed(s).count().toStream().map((k, v) -> KeyValue.pair(k, k)).groupByKey(Grouped.with(STR, STR)).count();
            last(keyed(s));
        });
    }

    private static void joins() {
        all("table_join_and_count", b -> {
            final KTable<String, String> t = table(b, "t");
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            s.join(t, (v, o) -> v + o, Joined.with(STR, STR, STR)).to("x", Produced.with(STR, STR));
            keyed(s).count();
            s.leftJoin(t, (v, o) -> v + o, Joined.with(STR, STR, STR)).to("y", Produced.with(STR, STR));
        });
        all("global_join", b -> {
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            keyed(s.leftJoin(b.globalTable("g", Consumed.with(STR, STR), Materialized.as("global")),
                (k, v) -> v, (String v, String o) -> v)).count();
            keyed(s).count();
        });
        all("stream_join_and_count", b -> {
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            final KStream<String, String> o = in(b, "b").selectKey((k, v) -> v);
            s.join(o, (v, w) -> v + w, minute(), joined()).to("z", Produced.with(STR, STR));
            keyed(s).count();
            keyed(o.filter((k, v) -> true)).count();
        });
        all("join_merged_back", b -> {
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            final KStream<String, String> j = s.leftJoin(in(b, "b"), (v, w) -> v + w, minute(), joined());
            keyed(j.merge(s)).count();
        });
        all("two_joins", b -> {
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            final KTable<String, String> t = table(b, "t");
            final KTable<String, String> u = table(b, "u");
            s.join(t, (v, o) -> v, Joined.with(STR, STR, STR, "with-t")).to("x", Produced.with(STR, STR));
            s.join(u, (v, o) -> v, Joined.with(STR, STR, STR, "with-u")).to("y", Produced.with(STR, STR));
        });
    }

    private static void selfJoins() {
        all("self_join", b -> {
            final KStream<String, String> s = in(b, "a");
            s.join(s, (v, w) -> v + w, minute(), joined()).to("z", Produced.with(STR, STR));
        });
        all("self_left_join", b -> {
            final KStream<String, String> s = in(b, "a").filter((k, v) -> true);
            s.leftJoin(s, (v, w) -> v + w, minute(), joined()).to("z", Produced.with(STR, STR));
        });
        all("self_outer_join_named", b -> {
            final KStream<String, String> s = in(b, "a");
            s.outerJoin(s, (v, w) -> v + w, minute(), joined().withName("both").withStoreName("kept"))
                .to("z", Produced.with(STR, STR));
        });
        all("same_topic_twice", b -> in(b, "a").join(in(b, "a"), (v, w) -> v + w, minute(), joined())
            .to("z", Produced.with(STR, STR)));
        all("self_join_rekeyed", b -> {
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            s.join(s, (v, w) -> v + w, minute(), joined()).to("z", Produced.with(STR, STR));
        });
        all("self_join_rekeyed_named", b -> {
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            s.join(s, (v, w) -> v + w, minute(), joined().withName("both")).to("z", Produced.with(STR, STR));
        });
        all("self_join_merged_with_its_stream", b -> {
            final KStream<String, String> s = in(b, "a");
            s.join(s, (v, w) -> v + w, minute(), joined()).merge(s).mapValues(v -> v);
        });
        all("self_join_of_a_self_join", b -> {
            final KStream<String, String> s = in(b, "a");
            final KStream<String, String> once = s.join(s, (v, w) -> v + w, minute(), joined());
            once.join(once, (v, w) -> v + w, minute(), joined()).to("z", Produced.with(STR, STR));
            once.join(s, (v, w) -> v + w, minute(), joined()).to("y", Produced.with(STR, STR));
        });
    }

    private static void everything(final StreamsBuilder b) {
        final KTable<String, String> t = b.table("t", Consumed.with(STR, STR), Materialized.as("rows"));
        final KStream<String, String> s = in(b, "a");
        s.join(s, (v, w) -> v + w, minute(), joined()).to("x", Produced.with(STR, STR));
        final KStream<String, String> m = s.selectKey((k, v) -> v);
        keyed(m).count();
        m.join(t, (v, o) -> v + o, Joined.with(STR, STR, STR)).to("y", Produced.with(STR, STR));
    }

    public static void main(final String[] arguments) throws Exception {
        final Path directory = Path.of(arguments[0]);
        Files.createDirectories(directory);
        repartitions();
        joins();
        selfJoins();
        each("everything", Optimized::everything);
        for (final Map.Entry<String, String> each : CASES.entrySet()) {
            Files.writeString(directory.resolve(each.getKey() + ".txt"), each.getValue());
        }
        System.out.println(CASES.size() + " descriptions in " + directory);
    }
}
