package oracle;

import static oracle.Functions.FLATS;
import static oracle.Functions.KEYS;
import static oracle.Functions.PREDICATES;
import static oracle.Functions.VALUES;
import static oracle.Functions.find;
import static oracle.Functions.num;
import static oracle.Functions.text;
import static oracle.Program.NOTHING;
import static oracle.Program.serde;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import oracle.Functions.Flat;
import oracle.Functions.Fn;
import oracle.Functions.Mapper;
import oracle.Functions.Predicate;
import oracle.Program.Handle;
import oracle.Program.Statement;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.BranchedKStream;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Printed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.LogAndSkipOnInvalidTimestamp;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp;

/** Streams and what looks at one record at a time. */
final class Streams {
    private Streams() { }

    static Handle build(final Program program, final Statement s) {
        return switch (s.op()) {
            case "stream" -> {
                final List<String> topics = s.texts("topics");
                final String[] types = program.topics.get(topics.get(0));
                yield new Handle(s.flag("pattern")
                    ? program.builder.stream(Pattern.compile(String.join("|", topics)), consumed(s, types))
                    : program.builder.stream(topics, consumed(s, types)), types[0], types[1]);
            }
            case "filter" -> {
                final Predicate test = predicate(s.text("fn"));
                yield new Handle(s.of(0).stream().filter(test::call, s.named()), s.of(0));
            }
            case "filterNot" -> {
                final Predicate test = predicate(s.text("fn"));
                yield new Handle(s.of(0).stream().filterNot(test::call, s.named()), s.of(0));
            }
            case "selectKey" -> {
                final Fn<Mapper> key = find(KEYS, s.text("fn"));
                final KStream<Object, Object> made = s.of(0).stream().selectKey(key.call()::call, s.named());
                yield new Handle(made, key.type(s.of(0).key()), s.of(0).value());
            }
            case "map" -> {
                final Fn<Mapper> key = find(KEYS, s.text("key"));
                final Fn<Mapper> value = find(VALUES, s.text("fn"));
                final KStream<Object, Object> made = s.of(0).stream().map(
                    (k, v) -> KeyValue.pair(key.call().call(k, v), value.call().call(k, v)), s.named());
                yield new Handle(made, key.type(s.of(0).key()), value.type(s.of(0).value()));
            }
            case "mapValues" -> {
                final Fn<Mapper> value = find(VALUES, s.text("fn"));
                final Handle of = s.of(0);
                final KStream<Object, Object> made = s.flag("keyed")
                    ? of.stream().mapValues((k, v) -> value.call().call(k, v), s.named())
                    : of.stream().mapValues(v -> value.call().call(null, v), s.named());
                yield new Handle(made, of.key(), value.type(of.value()));
            }
            case "flatMap" -> {
                final Fn<Mapper> key = find(KEYS, s.text("key"));
                final Fn<Flat> flat = find(FLATS, s.text("fn"));
                final KStream<Object, Object> made = s.of(0).stream().flatMap(
                    (k, v) -> flat.call().call(v).stream()
                        .map(each -> KeyValue.pair(key.call().call(k, each), each)).toList(), s.named());
                yield new Handle(made, key.type(s.of(0).key()), flat.type(s.of(0).value()));
            }
            case "flatMapValues" -> {
                final Fn<Flat> flat = find(FLATS, s.text("fn"));
                final Handle of = s.of(0);
                final KStream<Object, Object> made = s.flag("keyed")
                    ? of.stream().flatMapValues((k, v) -> flat.call().call(v), s.named())
                    : of.stream().flatMapValues(v -> flat.call().call(v), s.named());
                yield new Handle(made, of.key(), flat.type(of.value()));
            }
            case "peek" -> new Handle(s.of(0).stream().peek(
                (k, v) -> program.seen.add("peek " + text(k) + "=" + text(v)), s.named()), s.of(0));
            case "foreach" -> {
                s.of(0).stream().foreach((k, v) -> program.seen.add("each " + text(k) + "=" + text(v)), s.named());
                yield NOTHING;
            }
            case "print" -> {
                final Printed<Object, Object> printed = Printed.toSysOut().withLabel("label")
                    .withKeyValueMapper((k, v) -> {
                        program.seen.add("print " + text(k) + "=" + text(v));
                        return "";
                    });
                s.of(0).stream().print(s.has("name") ? printed.withName(s.text("name")) : printed);
                yield NOTHING;
            }
            case "fragile" -> {
                final KStream<Object, Object> made = s.of(0).stream().mapValues((k, v) -> {
                    if (Math.floorMod(num(v), 3) == 1) {
                        throw new IllegalStateException("fragile");
                    }
                    return v;
                }, s.named());
                yield new Handle(made, s.of(0));
            }
            case "merge" -> new Handle(s.of(0).stream().merge(s.of(1).stream(), s.named()), s.of(0));
            case "split" -> new Handle(split(s), s.of(0));
            case "arm" -> new Handle(((List<?>) s.of(0).object()).get((int) s.number("index")), s.of(0));
            case "repartition" -> new Handle(s.of(0).stream().repartition(repartitioned(s)), s.of(0));
            case "to" -> {
                to(s);
                yield NOTHING;
            }
            default -> null;
        };
    }

    static Consumed<Object, Object> consumed(final Statement s, final String[] types) {
        Consumed<Object, Object> made = Consumed.with(serde(types[0]), serde(types[1]));
        made = s.has("name") ? made.withName(s.text("name")) : made;
        return s.has("extractor") ? made.withTimestampExtractor(extractor(s.text("extractor"))) : made;
    }

    static Predicate predicate(final String name) {
        return find(PREDICATES, name).call();
    }

    private static TimestampExtractor extractor(final String name) {
        return switch (name) {
            case "value" -> (record, before) -> Math.abs(num(record.value()));
            case "skipOdd" -> (record, before) -> Math.floorMod(num(record.value()), 2) == 1 ? -1 : record.timestamp();
            case "skip" -> new LogAndSkipOnInvalidTimestamp();
            case "before" -> new UsePartitionTimeOnInvalidTimestamp();
            case "latest" -> (record, before) -> Math.max(record.timestamp(), before);
            default -> throw new UnsupportedOperationException("no extractor " + name);
        };
    }

    private static List<KStream<Object, Object>> split(final Statement s) {
        final List<KStream<Object, Object>> arms = new ArrayList<>();
        final KStream<Object, Object> stream = s.of(0).stream();
        BranchedKStream<Object, Object> split = s.has("name")
            ? stream.split(Named.as(s.text("name"))) : stream.split();
        final List<String> names = s.texts("names");
        int number = 0;
        for (final String arm : s.texts("arms")) {
            final Predicate test = predicate(arm);
            split = split.branch(test::call, branched(arms, names, number++));
        }
        if (s.flag("default")) {
            split.defaultBranch(branched(arms, names, number));
        } else {
            split.noDefaultBranch();
        }
        return arms;
    }

    private static Branched<Object, Object> branched(
        final List<KStream<Object, Object>> arms, final List<String> names, final int number
    ) {
        return names.isEmpty()
            ? Branched.withConsumer(arms::add)
            : Branched.withConsumer(arms::add, names.get(number));
    }

    private static Repartitioned<Object, Object> repartitioned(final Statement s) {
        Repartitioned<Object, Object> made = Repartitioned.with(serde(s.of(0).key()), serde(s.of(0).value()));
        made = s.has("name") ? made.withName(s.text("name")) : made;
        made = s.flag("partitioned") ? made.withStreamPartitioner(Hand.partitioner()) : made;
        return s.has("partitions") ? made.withNumberOfPartitions((int) s.number("partitions")) : made;
    }

    private static void to(final Statement s) {
        Produced<Object, Object> produced = Produced.with(serde(s.of(0).key()), serde(s.of(0).value()));
        produced = s.has("name") ? produced.withName(s.text("name")) : produced;
        produced = s.flag("partitioned") ? produced.withStreamPartitioner(Hand.partitioner()) : produced;
        produced = s.flag("picky") ? produced.withValueSerde(Program.picky(serde(s.of(0).value()))) : produced;
        if (s.has("chosen")) {
            s.of(0).stream().to(Hand.chooser(s), produced);
        } else {
            s.of(0).stream().to(s.text("topic"), produced);
        }
    }
}
