package goldens;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Printed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TopicNameExtractor;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Writes what Kafka Streams says of one topology a case into {@code <directory>/<case>.txt}.
 *
 * <p>The same cases are written in Python in {@code tests/streams/test_describe.py}.
 */
public final class Describe {
    private static final Serde<String> STR = Serdes.String();
    private static final Map<String, Topology> CASES = new LinkedHashMap<>();

    private Describe() { }

    public static final class Copy extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(final Record<String, String> record) {
            context().forward(record);
        }
    }

    public static final class CopyValues extends ContextualFixedKeyProcessor<String, String, String> {
        @Override
        public void process(final FixedKeyRecord<String, String> record) {
            context().forward(record);
        }
    }

    /** A supplier that brings its store along. */
    public static final class WithStore implements ProcessorSupplier<String, String, String, String> {
        @Override
        public Processor<String, String, String, String> get() {
            return new Copy();
        }

        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(kv("brought"));
        }
    }

    private static StoreBuilder<?> kv(final String name) {
        return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), STR, STR);
    }

    private static void dsl(final String name, final Consumer<StreamsBuilder> build) {
        final StreamsBuilder builder = new StreamsBuilder();
        build.accept(builder);
        CASES.put(name, builder.build());
    }

    private static void hand(final String name, final Consumer<Topology> build) {
        final Topology topology = new Topology();
        build.accept(topology);
        CASES.put(name, topology);
    }

    private static KStream<String, String> in(final StreamsBuilder b, final String... topics) {
        return b.stream(Arrays.asList(topics), Consumed.with(STR, STR));
    }

    private static KTable<String, String> table(final StreamsBuilder b, final String topic) {
        return b.table(topic, Consumed.with(STR, STR));
    }

    private static KGroupedStream<String, String> regrouped(final KStream<String, String> stream) {
        return stream.groupBy((k, v) -> v, Grouped.with(STR, STR));
    }

    private static TimeWindows minute() {
        return TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofSeconds(10));
    }

    private static void stateless() {
        dsl("stateless_all", b -> in(b, "a")
            .filter((k, v) -> true).filterNot((k, v) -> false)
            .map((k, v) -> KeyValue.pair(v, k)).mapValues(v -> v).mapValues((k, v) -> v)
            .flatMap((k, v) -> List.of(KeyValue.pair(k, v))).flatMapValues(v -> List.of(v))
            .flatMapValues((k, v) -> List.of(v))
            .selectKey((k, v) -> v).peek((k, v) -> { }).to("z"));
        dsl("stateless_named", b -> b.stream("a", Consumed.with(STR, STR).withName("read"))
            .filter((k, v) -> true, Named.as("keep")).filterNot((k, v) -> false, Named.as("drop"))
            .map((k, v) -> KeyValue.pair(v, k), Named.as("swap"))
            .mapValues(v -> v, Named.as("same")).flatMap((k, v) -> List.of(KeyValue.pair(k, v)), Named.as("many"))
            .flatMapValues(v -> List.of(v), Named.as("words"))
            .selectKey((k, v) -> v, Named.as("rekey")).peek((k, v) -> { }, Named.as("look"))
            .to("z", Produced.with(STR, STR).withName("write")));
        dsl("some_named", b -> in(b, "a").filter((k, v) -> true, Named.as("keep")).mapValues(v -> v)
            .peek((k, v) -> { }, Named.as("look")).to("z"));
        dsl("foreach_and_print", b -> {
            final KStream<String, String> s = in(b, "a");
            s.foreach((k, v) -> { });
            s.print(Printed.toSysOut());
            s.foreach((k, v) -> { }, Named.as("each"));
            s.print(Printed.<String, String>toSysOut().withName("printed"));
        });
        dsl("several_topics", b -> in(b, "orders", "payments", "returns", "alpha", "beta", "topic-1", "topic-2").to("z"));
        dsl("many_topics", b -> in(b, "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11",
            "t12", "t13", "t14", "t15", "t16").to("z"));
        dsl("fan_out", b -> {
            final KStream<String, String> s = in(b, "a");
            s.to("x");
            s.mapValues(v -> v).filter((k, v) -> true).to("y");
            s.filter((k, v) -> true).to("z");
        });
        dsl("wide_fan_out", b -> {
            final KStream<String, String> s = in(b, "a");
            for (int i = 0; i < 14; i++) {
                KStream<String, String> at = s;
                for (int j = 0; j < i * 7 % 5; j++) {
                    at = at.mapValues(v -> v);
                }
                at.to("out-" + i);
            }
        });
        dsl("merge", b -> in(b, "a").merge(in(b, "b")).to("z"));
        dsl("merge_three_named", b -> in(b, "a").merge(in(b, "b"), Named.as("both")).merge(in(b, "c")).to("z"));
        dsl("merge_with_itself", b -> {
            final KStream<String, String> s = in(b, "a");
            s.merge(s).to("z");
        });
        dsl("diamond", b -> {
            final KStream<String, String> s = in(b, "a");
            final KStream<String, String> left = s.mapValues(v -> v).filter((k, v) -> true);
            final KStream<String, String> right = s.filter((k, v) -> true);
            left.merge(right).merge(s).to("z");
            left.to("y");
        });
        dsl("same_topic_twice", b -> {
            in(b, "a").mapValues(v -> v).to("x");
            in(b, "a").filter((k, v) -> true).to("y");
        });
        dsl("same_topic_twice_merged", b -> in(b, "a").mapValues(v -> v).merge(in(b, "a")).to("y"));
        dsl("separate_subtopologies", b -> {
            in(b, "b").to("y");
            in(b, "a").to("x");
            b.stream("c", Consumed.with(STR, STR).withName("AAA")).to("z");
        });
        dsl("dynamic_topic_behind_filter", b -> {
            in(b, "a").filter((k, v) -> true).to(new ByValue());
        });
    }

    /** Prints as the Python twin does. */
    public static final class ByValue implements TopicNameExtractor<String, String> {
        @Override
        public String extract(final String key, final String value,
                              final org.apache.kafka.streams.processor.RecordContext context) {
            return value;
        }

        @Override
        public String toString() {
            return "by_value";
        }
    }

    private static void branches() {
        dsl("branch_default", b -> {
            final Map<String, KStream<String, String>> all = in(b, "a").split()
                .branch((k, v) -> true).branch((k, v) -> false).defaultBranch();
            for (int i = 0; i < 3; i++) {
                all.get("KSTREAM-BRANCH-0000000001" + i).to("out-" + i);
            }
        });
        dsl("branch_named", b -> {
            final Map<String, KStream<String, String>> all = in(b, "a").split(Named.as("by-"))
                .branch((k, v) -> true, Branched.as("x")).branch((k, v) -> false).defaultBranch(Branched.as("rest"));
            all.get("by-x").to("x");
            all.get("by-2").mapValues(v -> v).to("y");
            all.get("by-rest").to("z");
        });
        dsl("branch_chained", b -> in(b, "a").split()
            .branch((k, v) -> true, Branched.withConsumer(s -> s.mapValues(v -> v).to("x")))
            .branch((k, v) -> false, Branched.withConsumer(s -> s.to("y"), "second"))
            .noDefaultBranch());
        dsl("branch_only_split", b -> {
            in(b, "a").split().noDefaultBranch();
        });
        dsl("branch_rekeyed_join", b -> {
            final KTable<String, String> t = table(b, "t");
            final Map<String, KStream<String, String>> all = in(b, "a").selectKey((k, v) -> v).split()
                .branch((k, v) -> true).noDefaultBranch();
            all.values().iterator().next().join(t, (v, w) -> v + w, Joined.with(STR, STR, STR)).to("z");
        });
    }

    private static void aggregations() {
        dsl("wordcount", b -> in(b, "a").flatMapValues(v -> List.of(v.split(" ")))
            .groupBy((k, v) -> v, Grouped.with(STR, STR)).count(Materialized.as("counts"))
            .toStream().to("z", Produced.with(STR, Serdes.Long())));
        dsl("count_unnamed", b -> regrouped(in(b, "a")).count().toStream().to("z"));
        dsl("count_named", b -> regrouped(in(b, "a")).count(Named.as("counter")).toStream(Named.as("out")).to("z"));
        dsl("count_options_without_name", b -> in(b, "a").groupByKey()
            .count(Materialized.with(STR, Serdes.Long())).toStream().to("z"));
        dsl("count_windowed_options_without_name", b -> in(b, "a").groupByKey().windowedBy(minute())
            .count(Materialized.with(STR, Serdes.Long())).toStream().to("z"));
        dsl("group_by_key_count", b -> in(b, "a").groupByKey().count().toStream().to("z"));
        dsl("group_by_key_after_map", b -> in(b, "a").map((k, v) -> KeyValue.pair(v, k))
            .groupByKey(Grouped.with(STR, STR)).count().toStream().to("z"));
        dsl("group_by_key_named_after_map", b -> in(b, "a").map((k, v) -> KeyValue.pair(v, k))
            .groupByKey(Grouped.with("grp", STR, STR)).count(Materialized.as("s")).toStream().to("z"));
        dsl("group_by_named", b -> in(b, "a").groupBy((k, v) -> v, Grouped.with("grp", STR, STR))
            .count().toStream().to("z"));
        dsl("reduce", b -> regrouped(in(b, "a")).reduce((x, y) -> y).toStream().to("z"));
        dsl("reduce_named", b -> regrouped(in(b, "a")).reduce((x, y) -> y, Named.as("last"), Materialized.as("s"))
            .toStream().to("z"));
        dsl("aggregate", b -> regrouped(in(b, "a")).aggregate(() -> "", (k, v, x) -> x).toStream().to("z"));
        dsl("aggregate_store", b -> regrouped(in(b, "a")).aggregate(() -> "", (k, v, x) -> x,
            Materialized.as("s")).toStream().to("z"));
        dsl("aggregate_named_with_options", b -> regrouped(in(b, "a")).aggregate(() -> "", (k, v, x) -> x,
            Named.as("agg"), Materialized.with(STR, STR)).toStream().to("z"));
        dsl("trending", b -> in(b, "tweets").filter((k, v) -> true).flatMapValues(v -> List.of(v))
            .groupBy((k, v) -> v, Grouped.with(STR, STR)).windowedBy(minute())
            .count(Materialized.as("tag-counts")).toStream().to("trending"));
        dsl("windowed_all", b -> {
            final KGroupedStream<String, String> g = in(b, "a").groupByKey();
            g.windowedBy(minute()).count().toStream().to("x");
            g.windowedBy(minute()).reduce((x, y) -> y).toStream().to("y");
            g.windowedBy(minute().advanceBy(Duration.ofSeconds(10))).aggregate(() -> "", (k, v, x) -> x).toStream().to("z");
            g.windowedBy(minute()).count(Named.as("n"), Materialized.as("s"));
        });
        dsl("two_counts_unnamed_group", b -> {
            final KGroupedStream<String, String> g = regrouped(in(b, "a"));
            g.count().toStream().to("x");
            g.reduce((x, y) -> y).toStream().to("y");
        });
        dsl("two_counts_named_group", b -> {
            final KGroupedStream<String, String> g = in(b, "a").groupBy((k, v) -> v, Grouped.with("grp", STR, STR));
            g.count().toStream().to("x");
            g.windowedBy(minute()).reduce((x, y) -> y).toStream().to("y");
        });
        dsl("shared_repartition_between_streams", b -> {
            final KGroupedStream<String, String> g = in(b, "a").groupBy((k, v) -> v, Grouped.with("grp", STR, STR));
            g.count().toStream().to("x");
            in(b, "b").selectKey((k, v) -> v).repartition(Repartitioned.as("rep")).to("y");
            g.reduce((x, y) -> y).toStream().to("z");
        });
        dsl("count_again", b -> regrouped(in(b, "a")).count(Materialized.as("first")).toStream()
            .groupBy((k, v) -> k, Grouped.with(STR, Serdes.Long())).count(Materialized.as("second")).toStream().to("z"));
        dsl("merged_then_grouped", b -> in(b, "a").merge(in(b, "b").selectKey((k, v) -> v))
            .groupByKey(Grouped.with(STR, STR)).count(Materialized.as("s")).toStream().to("z"));
    }

    private static void tables() {
        dsl("table_only", b -> table(b, "t"));
        dsl("table_to_stream", b -> table(b, "t").toStream().to("z"));
        dsl("table_with_store", b -> b.table("t", Consumed.with(STR, STR), Materialized.as("s")).toStream().to("z"));
        dsl("table_named", b -> b.table("t", Consumed.with(STR, STR).withName("tab")).toStream().to("z"));
        dsl("table_named_with_store", b -> b.table("t", Consumed.with(STR, STR).withName("tab"), Materialized.as("s"))
            .toStream(Named.as("str")).to("z"));
        dsl("table_views", b -> table(b, "t").filter((k, v) -> true).filterNot((k, v) -> false)
            .mapValues(v -> v).mapValues((k, v) -> v).toStream().to("z"));
        dsl("table_views_named", b -> table(b, "t").filter((k, v) -> true, Named.as("f"))
            .mapValues(v -> v, Named.as("m")).toStream().to("z"));
        dsl("table_views_stored", b -> table(b, "t").filter((k, v) -> true, Materialized.as("fs"))
            .mapValues(v -> v, Materialized.as("ms")).filterNot((k, v) -> true, Named.as("n"), Materialized.as("ns"))
            .toStream().to("z"));
        dsl("table_views_options_without_name", b -> table(b, "t")
            .filter((k, v) -> true, Materialized.with(STR, STR)).mapValues(v -> v, Materialized.with(STR, STR))
            .toStream().to("z"));
        dsl("table_to_stream_rekeyed", b -> table(b, "t").toStream((k, v) -> v).groupByKey(Grouped.with(STR, STR))
            .count().toStream().to("z"));
        dsl("table_to_stream_rekeyed_named", b -> table(b, "t").toStream((k, v) -> v, Named.as("out")).to("z"));
        dsl("to_table", b -> in(b, "a").toTable().toStream().to("z"));
        dsl("to_table_stored", b -> in(b, "a").toTable(Materialized.as("s")).toStream().to("z"));
        dsl("to_table_named", b -> in(b, "a").toTable(Named.as("tab"), Materialized.as("s")).toStream().to("z"));
        dsl("to_table_rekeyed", b -> in(b, "a").selectKey((k, v) -> v).toTable().toStream().to("z"));
        dsl("to_table_rekeyed_named", b -> in(b, "a").selectKey((k, v) -> v).toTable(Named.as("tab")).toStream().to("z"));
    }

    private static void joins() {
        dsl("join", b -> in(b, "a").join(table(b, "t"), (v, w) -> v + w).to("z"));
        dsl("join_stored", b -> {
            final KTable<String, String> t = b.table("t", Consumed.with(STR, STR), Materialized.as("s"));
            in(b, "a").join(t, (v, w) -> v + w).to("z");
        });
        dsl("left_join_named", b -> in(b, "a").leftJoin(table(b, "t"), (v, w) -> v + w,
            Joined.with(STR, STR, STR, "jn")).to("z"));
        dsl("join_rekeyed", b -> {
            final KTable<String, String> t = table(b, "t");
            in(b, "a").selectKey((k, v) -> v).join(t, (v, w) -> v + w, Joined.with(STR, STR, STR)).to("z");
        });
        dsl("join_rekeyed_named", b -> {
            final KTable<String, String> t = table(b, "t");
            in(b, "a").selectKey((k, v) -> v).join(t, (v, w) -> v + w, Joined.with(STR, STR, STR, "jn")).to("z");
        });
        dsl("left_join_rekeyed", b -> {
            final KTable<String, String> t = table(b, "t");
            in(b, "a").map((k, v) -> KeyValue.pair(v, k)).leftJoin(t, (v, w) -> v + w, Joined.with(STR, STR, STR)).to("z");
        });
        dsl("join_twice_rekeyed", b -> {
            final KTable<String, String> t = table(b, "t");
            final KTable<String, String> u = table(b, "u");
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            s.join(t, (v, w) -> v + w, Joined.with(STR, STR, STR)).to("y");
            s.leftJoin(u, (v, w) -> v + w, Joined.with(STR, STR, STR)).to("z");
        });
        dsl("join_twice_rekeyed_named", b -> {
            final KTable<String, String> t = table(b, "t");
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            s.join(t, (v, w) -> v + w, Joined.with(STR, STR, STR, "one")).to("y");
            s.join(t, (v, w) -> v + w, Joined.with(STR, STR, STR, "two")).to("z");
        });
        dsl("join_chain", b -> {
            final KTable<String, String> t = table(b, "t");
            final KTable<String, String> u = table(b, "u");
            in(b, "a").join(t, (v, w) -> v + w).leftJoin(u, (v, w) -> v + w).to("z");
        });
        dsl("join_view", b -> {
            final KTable<String, String> t = table(b, "t").filter((k, v) -> true).mapValues(v -> v);
            in(b, "a").join(t, (v, w) -> v + w).to("z");
        });
        dsl("join_stored_view", b -> {
            final KTable<String, String> t = table(b, "t").filter((k, v) -> true, Materialized.as("fs")).mapValues(v -> v);
            in(b, "a").join(t, (v, w) -> v + w).to("z");
        });
        dsl("join_aggregate", b -> {
            final KTable<String, Long> counts = regrouped(in(b, "a")).count();
            in(b, "b").join(counts, (v, n) -> v + n).to("z");
        });
        dsl("join_to_table", b -> {
            final KTable<String, String> t = in(b, "a").toTable();
            in(b, "b").join(t, (v, w) -> v + w).to("z");
        });
        dsl("join_own_table", b -> {
            final KStream<String, String> s = in(b, "a");
            final KTable<String, Long> counts = s.groupByKey().count(Materialized.as("s"));
            s.leftJoin(counts, (v, n) -> v + n).to("z");
        });
    }

    private static void repartitions() {
        dsl("repartition", b -> in(b, "a").repartition(Repartitioned.with(STR, STR)).to("z"));
        dsl("repartition_named", b -> in(b, "a").mapValues(v -> v)
            .repartition(Repartitioned.with(STR, STR).withName("rep").withNumberOfPartitions(3)).to("z"));
        dsl("repartition_then_group", b -> in(b, "a").selectKey((k, v) -> v)
            .repartition(Repartitioned.with(STR, STR)).groupByKey().count(Materialized.as("s")).toStream().to("z"));
        dsl("repartition_then_join", b -> {
            final KTable<String, String> t = table(b, "t");
            in(b, "a").selectKey((k, v) -> v).repartition(Repartitioned.as("rep")).join(t, (v, w) -> v + w).to("z");
        });
        dsl("select_key_chain", b -> in(b, "a").selectKey((k, v) -> v).mapValues(v -> v).selectKey((k, v) -> v)
            .filter((k, v) -> true).groupByKey(Grouped.with(STR, STR)).count(Materialized.as("s"))
            .toStream().selectKey((k, v) -> k).repartition(Repartitioned.with(STR, Serdes.Long())).to("z"));
        dsl("rekeyed_many_ways", b -> {
            final KTable<String, String> t = table(b, "t");
            final KStream<String, String> s = in(b, "a").selectKey((k, v) -> v);
            s.groupByKey(Grouped.with(STR, STR)).count().toStream().to("x");
            s.groupByKey(Grouped.with("grp", STR, STR)).reduce((x, y) -> y).toStream().to("y");
            s.join(t, (v, w) -> v + w, Joined.with(STR, STR, STR)).to("z");
            s.toTable().toStream().to("w");
        });
    }

    private static void processors() {
        dsl("process", b -> in(b, "a").process(Copy::new).to("z"));
        dsl("process_named", b -> in(b, "a").process(Copy::new, Named.as("proc")).filter((k, v) -> true).to("z"));
        dsl("process_stores", b -> {
            b.addStateStore(kv("one")).addStateStore(kv("two")).addStateStore(kv("unused"));
            in(b, "a").process(Copy::new, "two", "one").to("z");
        });
        dsl("process_shared_store", b -> {
            b.addStateStore(kv("shared"));
            in(b, "a").process(Copy::new, "shared").to("x");
            in(b, "b").mapValues(v -> v).process(Copy::new, "shared").to("y");
            in(b, "c").to("z");
        });
        dsl("process_values", b -> {
            b.addStateStore(kv("one"));
            in(b, "a").processValues(CopyValues::new, "one").groupByKey().count().toStream().to("z");
        });
        dsl("process_values_named", b -> in(b, "a").processValues(CopyValues::new, Named.as("vals")).mapValues(v -> v).to("z"));
        dsl("process_then_group", b -> in(b, "a").process(Copy::new).groupByKey(Grouped.with(STR, STR)).count()
            .toStream().to("z"));
        dsl("process_supplied_store", b -> in(b, "a").process(new WithStore()).to("z"));
    }

    private static void byHand() {
        hand("hand_chain", t -> t.addSource("in", "a").addProcessor("work", Copy::new, "in").addSink("out", "z", "work"));
        hand("hand_many", t -> {
            t.addSource("s1", "a", "b").addSource("s2", "c").addSource("s3", "d");
            t.addProcessor("p1", Copy::new, "s1", "s2").addProcessor("p2", Copy::new, "p1");
            t.addProcessor("p3", Copy::new, "s3").addProcessor("p4", Copy::new, "p1", "p2");
            t.addStateStore(kv("st"), "p2").addStateStore(kv("x"));
            t.connectProcessorAndStateStores("p4", "st", "x");
            t.addSink("k1", "y", "p4", "p2").addSink("k2", "z", "p3");
        });
        hand("hand_store_joins_parts", t -> {
            t.addSource("s1", "a").addSource("s2", "b");
            t.addProcessor("p1", Copy::new, "s1").addProcessor("p2", Copy::new, "s2");
            t.addStateStore(kv("st"), "p1", "p2");
        });
        hand("hand_many_stores", t -> {
            t.addSource("s", "a").addProcessor("p", Copy::new, "s");
            for (int i = 0; i < 20; i++) {
                t.addStateStore(kv("store-" + i * 37), "p");
            }
        });
        for (int seed = 1; seed <= 8; seed++) {
            final int start = seed;
            hand("hand_random_" + seed, t -> random(t, start));
        }
    }

    /** A graph by a simple generator of numbers that Python can repeat. */
    private static void random(final Topology t, final int seed) {
        final long[] state = {seed * 7919L};
        final java.util.function.IntUnaryOperator next = n -> {
            state[0] = (state[0] * 1103515245L + 12345L) & 0x7fffffffL;
            return (int) (state[0] >> 16) % n;
        };
        final java.util.List<String> names = new java.util.ArrayList<>();
        for (int i = 0; i < 3; i++) {
            final String name = "src" + next.applyAsInt(1000) + "-" + i;
            t.addSource(name, "topic-" + i);
            names.add(name);
        }
        for (int i = 0; i < 25; i++) {
            final String name = "n" + next.applyAsInt(1000) + "-" + i;
            final java.util.LinkedHashSet<String> parents = new java.util.LinkedHashSet<>();
            final int count = 1 + next.applyAsInt(3);
            for (int j = 0; j < count; j++) {
                parents.add(names.get(next.applyAsInt(names.size())));
            }
            t.addProcessor(name, Copy::new, parents.toArray(new String[0]));
            names.add(name);
        }
    }

    public static void main(final String[] arguments) throws Exception {
        final Path directory = Path.of(arguments[0]);
        Files.createDirectories(directory);
        stateless();
        branches();
        aggregations();
        tables();
        joins();
        repartitions();
        processors();
        byHand();
        for (final Map.Entry<String, Topology> each : CASES.entrySet()) {
            Files.writeString(directory.resolve(each.getKey() + ".txt"), each.getValue().describe().toString());
        }
        System.out.println(CASES.size() + " descriptions in " + directory);
    }
}
