package oracle;

import static oracle.Functions.cut;
import static oracle.Functions.num;
import static oracle.Functions.text;
import static oracle.Program.NOTHING;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import oracle.Program.Handle;
import oracle.Program.Statement;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** Stores and processors of the user's own. Keys and values of stores are texts. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Custom {
    private Custom() { }

    static Handle build(final Program program, final Statement s) {
        return switch (s.op()) {
            case "store" -> {
                program.builder.addStateStore(store(s));
                yield NOTHING;
            }
            case "globalStore" -> {
                final String[] types = program.topics.get(s.text("topic"));
                program.builder.addGlobalStore(
                    store(s), s.text("topic"), Streams.consumed(s, types), (ProcessorSupplier) processor(s));
                yield NOTHING;
            }
            case "process" -> {
                final ProcessorSupplier<Object, Object, Object, Object> made = processor(s);
                final String[] stores = s.texts("stores").toArray(String[]::new);
                final boolean same = s.text("fn").equals("twice");
                yield new Handle(s.has("name")
                    ? s.of(0).stream().process(made, Named.as(s.text("name")), stores)
                    : s.of(0).stream().process(made, stores),
                    same ? s.of(0).key() : "s", same ? s.of(0).value() : "s");
            }
            case "processValues" -> {
                final FixedKeyProcessorSupplier<Object, Object, Object> made = valueProcessor(s);
                final String[] stores = s.texts("stores").toArray(String[]::new);
                yield new Handle(s.has("name")
                    ? s.of(0).stream().processValues(made, Named.as(s.text("name")), stores)
                    : s.of(0).stream().processValues(made, stores), s.of(0).key(), "s");
            }
            default -> null;
        };
    }

    // ------------------------------------------------------------------ stores

    static StoreBuilder<?> store(final Statement s) {
        final String name = s.text("store");
        final boolean memory = s.flag("memory");
        final Duration retention = s.duration("retention");
        final Duration size = s.duration("size");
        final var str = Serdes.String();
        final StoreBuilder<?> made = switch (s.text("kind")) {
            case "keyValue" -> Stores.keyValueStoreBuilder(
                memory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name), str, str);
            case "lru" -> Stores.keyValueStoreBuilder(Stores.lruMap(name, (int) s.number("most")), str, str);
            case "timed" -> Stores.timestampedKeyValueStoreBuilder(
                memory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentTimestampedKeyValueStore(name), str, str);
            case "window" -> Stores.windowStoreBuilder(memory
                ? Stores.inMemoryWindowStore(name, retention, size, s.flag("duplicates"))
                : Stores.persistentWindowStore(name, retention, size, s.flag("duplicates")), str, str);
            case "session" -> Stores.sessionStoreBuilder(memory
                ? Stores.inMemorySessionStore(name, retention)
                : Stores.persistentSessionStore(name, retention), str, str);
            case "versioned" -> Stores.versionedKeyValueStoreBuilder(
                Stores.persistentVersionedKeyValueStore(name, retention), str, str);
            default -> throw new UnsupportedOperationException("no store " + s.text("kind"));
        };
        if (s.flag("cache")) {
            made.withCachingEnabled();
        }
        if (s.has("log") && !s.flag("log")) {
            made.withLoggingDisabled();
        }
        return made;
    }

    // ------------------------------------------------------------------ processors

    /** One call: the store, or null, the record, and the context. */
    private interface Step {
        void call(ProcessorContext<Object, Object> context, Object store, Record<Object, Object> record);
    }

    /** With "supplied" the supplier brings the store along. */
    static ProcessorSupplier<Object, Object, Object, Object> processor(final Statement s) {
        final ProcessorSupplier<Object, Object, Object, Object> made = bareProcessor(s);
        return !s.has("supplied") ? made : new ProcessorSupplier<>() {
            @Override
            public Processor<Object, Object, Object, Object> get() {
                return made.get();
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return Set.of(store(s.inner("supplied")));
            }
        };
    }

    private static ProcessorSupplier<Object, Object, Object, Object> bareProcessor(final Statement s) {
        final List<String> stores = s.texts(s.has("looks") ? "looks" : "stores");
        final long interval = s.number("interval");
        final String fn = s.text("fn");
        final Step step = step(fn);
        return () -> new ContextualProcessor<Object, Object, Object, Object>() {
            private Object store;
            private Cancellable schedule;
            private int ticks;

            @Override
            public void init(final ProcessorContext<Object, Object> context) {
                super.init(context);
                store = stores.isEmpty() ? null : context.getStateStore(stores.get(0));
                if (fn.equals("tickStream")) {
                    context.schedule(Duration.ofMillis(interval), PunctuationType.STREAM_TIME, this::tick);
                } else if (fn.equals("tickWall")) {
                    context.schedule(Duration.ofMillis(interval), PunctuationType.WALL_CLOCK_TIME, this::tick);
                } else if (fn.equals("tickTwice")) {
                    final PunctuationType type = PunctuationType.STREAM_TIME;
                    schedule = context.schedule(Duration.ofMillis(interval), type, this::tickTwice);
                } else if (fn.equals("tickFrom")) {
                    final Instant start = Instant.ofEpochMilli(s.number("start"));
                    context.schedule(start, Duration.ofMillis(interval), PunctuationType.WALL_CLOCK_TIME, this::tick);
                } else if (fn.equals("sweep")) {
                    context.schedule(Duration.ofMillis(interval), PunctuationType.STREAM_TIME, this::sweep);
                }
            }

            @Override
            public void process(final Record<Object, Object> record) {
                step.call(context(), store, record);
            }

            private void tick(final long time) {
                final String told = time + "|" + context().currentStreamTimeMs() + "|" + context().currentSystemTimeMs();
                context().forward(new Record<>("tick", told, time));
            }

            private void tickTwice(final long time) {
                tick(time);
                if (++ticks == 2) {
                    schedule.cancel();
                }
            }

            @SuppressWarnings("unchecked")
            private void sweep(final long time) {
                final KeyValueStore<Object, Object> rows = (KeyValueStore<Object, Object>) store;
                for (final KeyValue<Object, Object> row : listed(rows.all())) {
                    rows.delete(row.key);
                    context().forward(new Record<>(row.key, row.value, time));
                }
            }
        };
    }

    private static Step step(final String name) {
        return switch (name) {
            case "twice" -> (context, store, record) -> {
                context.forward(record);
                final Headers more = new RecordHeaders(record.headers().toArray());
                more.add("p", "1".getBytes(StandardCharsets.UTF_8));
                context.forward(record.withTimestamp(record.timestamp() + 7).withHeaders(more));
            };
            case "tickStream", "tickWall", "tickTwice", "tickFrom" -> (context, store, record) -> context.forward(texts(record));
            case "remember", "sweep" -> Custom::remember;
            case "scan" -> Custom::scan;
            case "where" -> (context, store, record) -> {
                final var at = context.recordMetadata().orElseThrow();
                context.forward(texts(record).withValue(at.topic() + at.partition() + at.offset() + "|"
                    + context.currentStreamTimeMs() + "|" + context.currentSystemTimeMs()));
            };
            case "window" -> Custom::window;
            case "spans" -> Custom::spans;
            case "bulk" -> Custom::bulk;
            case "timed" -> Custom::timed;
            case "look" -> Custom::look;
            case "keep" -> Custom::keep;
            case "session" -> Custom::session;
            case "versioned" -> Custom::versioned;
            default -> throw new UnsupportedOperationException("no processor " + name);
        };
    }

    private static Record<Object, Object> texts(final Record<Object, Object> record) {
        return record.withKey(record.key() == null ? null : (Object) text(record.key()))
            .withValue(record.value() == null ? null : (Object) text(record.value()));
    }

    private static void remember(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final KeyValueStore<Object, Object> rows = (KeyValueStore<Object, Object>) store;
        final String key = text(record.key());
        final Object before = rows.get(key);
        rows.put(key, record.value() == null ? null : cut((before == null ? "" : before) + text(record.value())));
        context.forward(record.withKey((Object) key).withValue(text(before) + ">" + text(rows.get(key))));
    }

    private static void scan(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final KeyValueStore<Object, Object> rows = (KeyValueStore<Object, Object>) store;
        final String key = text(record.key());
        if (record.value() == null) {
            rows.delete(key);
        } else if (Math.floorMod(num(record.value()), 2) == 0) {
            rows.putIfAbsent(key, text(record.value()));
        } else {
            rows.put(key, text(record.value()));
        }
        final Record<Object, Object> out = record.withKey((Object) key);
        context.forward(out.withValue(cut("all" + rowsText(rows.all()))));
        context.forward(out.withValue(cut("reverse" + rowsText(rows.reverseAll()))));
        context.forward(out.withValue(cut("from" + rowsText(rows.range(key, null)))));
        context.forward(out.withValue(cut("to" + rowsText(rows.reverseRange(null, key)))));
        context.forward(out.withValue(cut("prefix" + rowsText(rows.prefixScan("a", new StringSerializer())))));
    }

    private static void window(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final WindowStore<Object, Object> rows = (WindowStore<Object, Object>) store;
        final String key = text(record.key());
        final long time = record.timestamp();
        rows.put(key, record.value() == null ? null : text(record.value()), time);
        final Record<Object, Object> out = record.withKey((Object) key);
        context.forward(out.withValue("one" + text(rows.fetch(key, time - time % 10))));
        context.forward(out.withValue(cut("key" + windowText(rows.fetch(key, time - 20, time + 5)))));
        context.forward(out.withValue(cut("back" + windowText(rows.backwardFetch(key, time - 20, time + 5)))));
        context.forward(out.withValue(cut("keys" + rowsText(rows.fetch("a", key, time - 10, time)))));
        context.forward(out.withValue(cut("all" + rowsText(rows.fetchAll(time - 15, time)))));
    }

    private static void spans(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final WindowStore<Object, Object> rows = (WindowStore<Object, Object>) store;
        final String key = text(record.key());
        final long time = record.timestamp();
        rows.put(key, record.value() == null ? null : text(record.value()), time);
        final Record<Object, Object> out = record.withKey((Object) key);
        context.forward(out.withValue(cut("all" + rowsText(rows.all()))));
        context.forward(out.withValue(cut("back" + rowsText(rows.backwardAll()))));
        context.forward(out.withValue(cut("keys" + rowsText(rows.backwardFetch("a", key, time - 10, time)))));
        context.forward(out.withValue(cut("times" + rowsText(rows.backwardFetchAll(time - 15, time)))));
    }

    private static void bulk(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final KeyValueStore<Object, Object> rows = (KeyValueStore<Object, Object>) store;
        final String key = text(record.key());
        final Object value = record.value() == null ? null : text(record.value());
        rows.putAll(List.of(KeyValue.pair(key, value), KeyValue.pair("b", "bulk")));
        context.forward(record.withKey((Object) key).withValue("had " + text(rows.delete("a"))));
        context.forward(record.withKey((Object) key).withValue("has " + text(rows.get(key))));
    }

    private static void timed(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final TimestampedKeyValueStore<Object, Object> rows = (TimestampedKeyValueStore<Object, Object>) store;
        final String key = text(record.key());
        final ValueAndTimestamp<Object> before = rows.get(key);
        if (before == null || before.timestamp() <= record.timestamp() || record.value() == null) {
            rows.put(key, record.value() == null
                ? null : ValueAndTimestamp.make((Object) text(record.value()), record.timestamp()));
        }
        final StringBuilder told = new StringBuilder("timed");
        listed(rows.all()).forEach(row -> told.append(",").append(text(row.key)).append("=")
            .append(text(row.value.value())).append("@").append(row.value.timestamp()));
        context.forward(record.withKey((Object) key).withValue(cut(told.toString())));
    }

    /** Reads a store that another processor fills. */
    private static void look(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final ReadOnlyKeyValueStore<?, ?> rows = (ReadOnlyKeyValueStore<?, ?>) store;
        final String key = text(record.key());
        context.forward(record.withKey((Object) key).withValue(cut(text(record.value()) + rowsText(all(rows)))));
    }

    private static KeyValueIterator<Object, Object> all(final ReadOnlyKeyValueStore<?, ?> rows) {
        return (KeyValueIterator<Object, Object>) rows.all();
    }

    /** Fills a global or read-only store; a record that changes nothing but the store. */
    private static void keep(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        if (record.key() != null) {
            ((KeyValueStore<Object, Object>) store).put(record.key(), record.value());
        }
    }

    private static void session(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final SessionStore<Object, Object> rows = (SessionStore<Object, Object>) store;
        final String key = text(record.key());
        final long time = record.timestamp();
        long start = time;
        for (final KeyValue<Windowed<Object>, Object> row : listed(rows.findSessions(key, time - 10, time + 10))) {
            start = Math.min(start, row.key.window().start());
            rows.remove(row.key);
        }
        rows.put(new Windowed<>(key, new org.apache.kafka.streams.kstream.internals.SessionWindow(start, time)),
            record.value() == null ? null : text(record.value()));
        final Record<Object, Object> out = record.withKey((Object) key);
        context.forward(out.withValue("one" + text(rows.fetchSession(key, start, time))));
        context.forward(out.withValue(cut("key" + rowsText(rows.fetch(key)))));
        context.forward(out.withValue(cut("back" + rowsText(rows.backwardFindSessions(key, time - 30, time)))));
    }

    private static void versioned(
        final ProcessorContext<Object, Object> context, final Object store, final Record<Object, Object> record
    ) {
        final VersionedKeyValueStore<Object, Object> rows = (VersionedKeyValueStore<Object, Object>) store;
        final String key = text(record.key());
        final long time = record.timestamp();
        final long until = rows.put(key, record.value() == null ? null : text(record.value()), time);
        final Record<Object, Object> out = record.withKey((Object) key);
        context.forward(out.withValue(until + "|" + version(rows.get(key)) + "|" + version(rows.get(key, time - 5))));
        if (Math.floorMod(num(record.value()), 4) == 3) {
            context.forward(out.withValue("deleted " + version(rows.delete(key, time + 2))));
        }
    }

    private static String version(final VersionedRecord<Object> record) {
        return record == null ? "null" : record.timestamp() + "=" + text(record.value());
    }

    private static <K, V> List<KeyValue<K, V>> listed(final KeyValueIterator<K, V> rows) {
        final List<KeyValue<K, V>> found = new ArrayList<>();
        try (rows) {
            rows.forEachRemaining(found::add);
        }
        return found;
    }

    private static <K> String rowsText(final KeyValueIterator<K, Object> rows) {
        final StringBuilder found = new StringBuilder();
        listed(rows).forEach(row -> found.append(",").append(text(row.key)).append("=").append(text(row.value)));
        return found.toString();
    }

    private static String windowText(final WindowStoreIterator<Object> rows) {
        return rowsText(rows);
    }

    // ------------------------------------------------------------------ processors of values

    private static FixedKeyProcessorSupplier<Object, Object, Object> valueProcessor(final Statement s) {
        final List<String> stores = s.texts("stores");
        final String fn = s.text("fn");
        return () -> new ContextualFixedKeyProcessor<Object, Object, Object>() {
            @Override
            public void process(final FixedKeyRecord<Object, Object> record) {
                if (fn.equals("twice")) {
                    context().forward(record.withValue(text(record.value())));
                    context().forward(record.withValue("again").withTimestamp(record.timestamp() + 7));
                    return;
                }
                final KeyValueStore<Object, Object> rows = context().getStateStore(stores.get(0));
                final String key = text(record.key());
                final Object before = rows.putIfAbsent(key, record.value() == null ? null : text(record.value()));
                context().forward(record.withValue("had " + text(before)));
            }
        };
    }

}
