package oracle;

import static oracle.Functions.AGGREGATORS;
import static oracle.Functions.KEYS;
import static oracle.Functions.MERGERS;
import static oracle.Functions.REDUCERS;
import static oracle.Functions.STARTS;
import static oracle.Functions.find;
import static oracle.Program.serde;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import oracle.Functions.Fn;
import oracle.Functions.Folder;
import oracle.Functions.Joiner;
import oracle.Functions.Mapper;
import oracle.Functions.Start;
import oracle.Program.Handle;
import oracle.Program.Statement;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Initializer;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Merger;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Reducer;
import org.apache.kafka.streams.kstream.SessionWindowedCogroupedKStream;
import org.apache.kafka.streams.kstream.SessionWindowedKStream;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindowedCogroupedKStream;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.UnlimitedWindows;
import org.apache.kafka.streams.kstream.Windows;
import org.apache.kafka.streams.kstream.internals.TimeWindow;

/** Groups, windows, and the tables made of them. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Aggregations {
    /** A group by windows: what Kafka gives, and the type of the keys of its tables. */
    private record Windowing(Object group, String windowedKey) { }

    private Aggregations() { }

    static Handle build(final Program program, final Statement s) {
        return switch (s.op()) {
            case "groupByKey" -> {
                final Handle of = s.of(0);
                yield new Handle(of.stream().groupByKey(Tables.grouped(s, of.key(), of.value())), of);
            }
            case "groupBy" -> {
                final Fn<Mapper> key = find(KEYS, s.text("fn"));
                final Handle of = s.of(0);
                final String type = key.type(of.key());
                yield new Handle(of.stream().groupBy(
                    key.call()::call, Tables.grouped(s, type, of.value())), type, of.value());
            }
            case "cogroup" -> cogroup(s);
            case "windowedBy" -> new Handle(windowed(s), s.of(0));
            case "count" -> count(s);
            case "reduce" -> reduce(s);
            case "aggregate" -> aggregate(s);
            default -> null;
        };
    }

    private static Handle cogroup(final Statement s) {
        CogroupedKStream<Object, Object> made = null;
        final List<String> names = s.texts("fns");
        String type = null;
        for (int index = 0; index < names.size(); index++) {
            final Fn<Folder> fold = find(AGGREGATORS, names.get(index));
            final KGroupedStream<Object, Object> group = (KGroupedStream<Object, Object>) s.of(index).object();
            final Aggregator<Object, Object, Object> aggregator = fold.call()::call;
            made = made == null ? group.cogroup(aggregator) : made.cogroup(group, aggregator);
            type = fold.type();
        }
        return new Handle(made, s.of(0).key(), type);
    }

    // ------------------------------------------------------------------ windows

    private static Windowing windowed(final Statement s) {
        final Handle of = s.of(0);
        final Object group = of.object();
        final Duration grace = s.duration("grace");
        final boolean close = s.flag("emitOnClose");
        switch (s.text("kind")) {
            case "time" -> {
                TimeWindows windows = TimeWindows.ofSizeAndGrace(s.duration("size"), grace);
                windows = s.has("advance") ? windows.advanceBy(s.duration("advance")) : windows;
                return new Windowing(emitting(group instanceof KGroupedStream
                    ? ((KGroupedStream) group).windowedBy(windows)
                    : ((CogroupedKStream) group).windowedBy(windows), close), key(s, "size"));
            }
            case "sliding" -> {
                final SlidingWindows windows =
                    SlidingWindows.ofTimeDifferenceAndGrace(s.duration("size"), grace);
                return new Windowing(emitting(group instanceof KGroupedStream
                    ? ((KGroupedStream) group).windowedBy(windows)
                    : ((CogroupedKStream) group).windowedBy(windows), close), key(s, "size"));
            }
            case "custom" -> {
                final Windows<TimeWindow> windows = new Gaps(s.number("size"), s.number("grace"));
                return new Windowing(emitting(group instanceof KGroupedStream
                    ? ((KGroupedStream) group).windowedBy(windows)
                    : ((CogroupedKStream) group).windowedBy(windows), close), key(s, "size"));
            }
            case "unlimited" -> {
                final UnlimitedWindows windows = UnlimitedWindows.of()
                    .startOn(java.time.Instant.ofEpochMilli(s.number("start")));
                return new Windowing(group instanceof KGroupedStream
                    ? ((KGroupedStream) group).windowedBy(windows)
                    : ((CogroupedKStream) group).windowedBy(windows), "w" + Long.MAX_VALUE + ":" + of.key());
            }
            default -> {
                final SessionWindows windows = SessionWindows.ofInactivityGapAndGrace(s.duration("gap"), grace);
                return new Windowing(emitting(group instanceof KGroupedStream
                    ? ((KGroupedStream) group).windowedBy(windows)
                    : ((CogroupedKStream) group).windowedBy(windows), close), "x:" + of.key());
            }
        }
    }

    /** Windows with gaps as long as they are; what falls into one belongs to none. */
    private static final class Gaps extends Windows<TimeWindow> {
        private final long size;
        private final long grace;

        Gaps(final long size, final long grace) {
            this.size = size;
            this.grace = grace;
        }

        @Override
        public Map<Long, TimeWindow> windowsFor(final long time) {
            final long start = time - time % (2 * size);
            return time < start + size ? Map.of(start, new TimeWindow(start, start + size)) : Map.of();
        }

        @Override
        public long size() {
            return size;
        }

        @Override
        public long gracePeriodMs() {
            return grace;
        }
    }

    private static String key(final Statement s, final String size) {
        return "w" + s.number(size) + ":" + s.of(0).key();
    }

    private static Object emitting(final Object group, final boolean close) {
        if (!close) {
            return group;
        }
        return group instanceof TimeWindowedKStream
            ? ((TimeWindowedKStream) group).emitStrategy(EmitStrategy.onWindowClose())
            : ((SessionWindowedKStream) group).emitStrategy(EmitStrategy.onWindowClose());
    }

    // ------------------------------------------------------------------ aggregations

    /** The group itself, out of its windows. */
    private static Object group(final Statement s) {
        return s.of(0).object() instanceof Windowing windowing ? windowing.group() : s.of(0).object();
    }

    private static Handle table(final Statement s, final Object table, final String value) {
        final String key = s.of(0).object() instanceof Windowing windowing
            ? windowing.windowedKey() : s.of(0).key();
        return new Handle(table, key, value);
    }

    private static Handle count(final Statement s) {
        final Object group = group(s);
        final Materialized mat = s.materialized(s.of(0).key(), "l");
        final Named named = s.named();
        final Object made;
        if (group instanceof KGroupedStream each) {
            made = mat == null ? each.count(named) : each.count(named, mat);
        } else if (group instanceof KGroupedTable each) {
            made = mat == null ? each.count(named) : each.count(named, mat);
        } else if (group instanceof TimeWindowedKStream each) {
            made = mat == null ? each.count(named) : each.count(named, mat);
        } else {
            final SessionWindowedKStream each = (SessionWindowedKStream) group;
            made = mat == null ? each.count(named) : each.count(named, mat);
        }
        return table(s, made, "l");
    }

    private static Handle reduce(final Statement s) {
        final Object group = group(s);
        final Joiner fold = find(REDUCERS, s.text("fn")).call();
        final Reducer<Object> reducer = (a, b) -> fold.call(null, a, b);
        final String type = s.of(0).value();
        // Without a store's serdes Kafka takes those of the group, which are the same.
        final Materialized mat = s.has("mat")
            ? s.materialized(s.of(0).key(), type) : Materialized.with(serde(s.of(0).key()), serde(type));
        final Named named = s.named();
        final Object made;
        if (group instanceof KGroupedStream each) {
            made = each.reduce(reducer, named, mat);
        } else if (group instanceof KGroupedTable each) {
            final Joiner undo = find(REDUCERS, s.text("undo")).call();
            final Reducer<Object> subtractor = (a, b) -> undo.call(null, a, b);
            made = each.reduce(reducer, subtractor, named, mat);
        } else if (group instanceof TimeWindowedKStream each) {
            made = each.reduce(reducer, named, mat);
        } else {
            made = ((SessionWindowedKStream) group).reduce(reducer, named, mat);
        }
        return table(s, made, type);
    }

    private static Handle aggregate(final Statement s) {
        final Object group = group(s);
        final Start start = find(STARTS, s.text("start")).call();
        final Initializer<Object> initializer = start::call;
        final boolean cogrouped = !s.has("fn");
        final String type = cogrouped ? s.of(0).value() : find(AGGREGATORS, s.text("fn")).type();
        final Materialized mat = s.has("mat")
            ? s.materialized(s.of(0).key(), type) : Materialized.with(serde(s.of(0).key()), serde(type));
        final Named named = s.named();
        if (cogrouped) {
            return table(s, cogroupedAggregate(s, group, initializer, named, mat), type);
        }
        final Aggregator<Object, Object, Object> aggregator = find(AGGREGATORS, s.text("fn")).call()::call;
        final Object made;
        if (group instanceof KGroupedStream each) {
            made = each.aggregate(initializer, aggregator, named, mat);
        } else if (group instanceof KGroupedTable each) {
            final Aggregator<Object, Object, Object> undo = find(AGGREGATORS, s.text("undo")).call()::call;
            made = each.aggregate(initializer, aggregator, undo, named, mat);
        } else if (group instanceof TimeWindowedKStream each) {
            made = each.aggregate(initializer, aggregator, named, mat);
        } else {
            made = ((SessionWindowedKStream) group).aggregate(initializer, aggregator, merger(s), named, mat);
        }
        return table(s, made, type);
    }

    private static Object cogroupedAggregate(
        final Statement s, final Object group, final Initializer<Object> initializer, final Named named,
        final Materialized mat
    ) {
        if (group instanceof CogroupedKStream each) {
            return each.aggregate(initializer, named, mat);
        }
        return group instanceof TimeWindowedCogroupedKStream each
            ? each.aggregate(initializer, named, mat)
            : ((SessionWindowedCogroupedKStream) group).aggregate(initializer, merger(s), named, mat);
    }

    private static Merger<Object, Object> merger(final Statement s) {
        return find(MERGERS, s.text("merger")).call()::call;
    }
}
