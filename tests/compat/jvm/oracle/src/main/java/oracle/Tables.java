package oracle;

import static oracle.Functions.KEYS;
import static oracle.Functions.VALUES;
import static oracle.Functions.find;
import static oracle.Program.serde;

import java.time.Duration;
import oracle.Functions.Fn;
import oracle.Functions.Mapper;
import oracle.Functions.Predicate;
import oracle.Program.Handle;
import oracle.Program.Statement;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.ValueTransformerWithKey;
import org.apache.kafka.streams.kstream.ValueTransformerWithKeySupplier;
import org.apache.kafka.streams.processor.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueStore;

/** Tables, and what follows from one table alone. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Tables {
    private Tables() { }

    static Handle build(final Program program, final Statement s) {
        return switch (s.op()) {
            case "table" -> {
                final String[] types = program.topics.get(s.text("topic"));
                final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(types[0], types[1]);
                final KTable<Object, Object> made = mat == null
                    ? program.builder.table(s.text("topic"), Streams.consumed(s, types))
                    : program.builder.table(s.text("topic"), Streams.consumed(s, types), mat);
                yield new Handle(made, types[0], types[1]);
            }
            case "globalTable" -> {
                final String[] types = program.topics.get(s.text("topic"));
                final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(types[0], types[1]);
                final GlobalKTable<Object, Object> made = mat == null
                    ? program.builder.globalTable(s.text("topic"), Streams.consumed(s, types))
                    : program.builder.globalTable(s.text("topic"), Streams.consumed(s, types), mat);
                yield new Handle(made, types[0], types[1]);
            }
            case "toTable" -> {
                final Handle of = s.of(0);
                final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(of.key(), of.value());
                yield new Handle(of.stream().toTable(s.named(),
                    mat == null ? Materialized.with(serde(of.key()), serde(of.value())) : mat), of);
            }
            case "tableFilter" -> {
                final Predicate test = Streams.predicate(s.text("fn"));
                final Handle of = s.of(0);
                final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(of.key(), of.value());
                yield new Handle(mat == null
                    ? of.table().filter(test::call, s.named())
                    : of.table().filter(test::call, s.named(), mat), of);
            }
            case "tableFilterNot" -> {
                final Predicate test = Streams.predicate(s.text("fn"));
                final Handle of = s.of(0);
                final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(of.key(), of.value());
                yield new Handle(mat == null
                    ? of.table().filterNot(test::call, s.named())
                    : of.table().filterNot(test::call, s.named(), mat), of);
            }
            case "tableMapValues" -> mapValues(s);
            case "transformValues" -> transformValues(s);
            case "toStream" -> {
                final Handle of = s.of(0);
                if (!s.has("fn")) {
                    yield new Handle(of.table().toStream(s.named()), of);
                }
                final Fn<Mapper> key = find(KEYS, s.text("fn"));
                yield new Handle(of.table().toStream(key.call()::call, s.named()), key.type(of.key()), of.value());
            }
            case "suppress" -> new Handle(s.of(0).table().suppress((Suppressed) suppressed(s)), s.of(0));
            case "tableGroupBy" -> {
                final Fn<Mapper> key = find(KEYS, s.text("key"));
                final Fn<Mapper> value = find(VALUES, s.text("fn"));
                final String keyType = key.type(s.of(0).key());
                final String valueType = value.type(s.of(0).value());
                yield new Handle(s.of(0).table().groupBy(
                    (k, v) -> KeyValue.pair(key.call().call(k, v), value.call().call(k, v)),
                    grouped(s, keyType, valueType)), keyType, valueType);
            }
            default -> null;
        };
    }

    static Grouped<Object, Object> grouped(final Statement s, final String key, final String value) {
        return s.has("name")
            ? Grouped.with(s.text("name"), serde(key), serde(value))
            : Grouped.with(serde(key), serde(value));
    }

    private static Handle mapValues(final Statement s) {
        final Fn<Mapper> value = find(VALUES, s.text("fn"));
        final Handle of = s.of(0);
        final String type = value.type(of.value());
        final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(of.key(), type);
        final KTable<Object, Object> made;
        if (s.flag("keyed")) {
            made = mat == null
                ? of.table().mapValues((k, v) -> value.call().call(k, v), s.named())
                : of.table().mapValues((k, v) -> value.call().call(k, v), s.named(), mat);
        } else {
            made = mat == null
                ? of.table().mapValues(v -> value.call().call(null, v), s.named())
                : of.table().mapValues(v -> value.call().call(null, v), s.named(), mat);
        }
        return new Handle(made, of.key(), type);
    }

    private static Handle transformValues(final Statement s) {
        final Fn<Mapper> value = find(VALUES, s.text("fn"));
        final Handle of = s.of(0);
        final String type = value.type(of.value());
        final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(of.key(), type);
        final ValueTransformerWithKeySupplier<Object, Object, Object> supplier = () -> new ValueTransformerWithKey<>() {
            @Override
            public void init(final ProcessorContext context) { }

            @Override
            public Object transform(final Object key, final Object data) {
                return value.call().call(key, data);
            }

            @Override
            public void close() { }
        };
        return new Handle(mat == null
            ? of.table().transformValues(supplier, s.named())
            : of.table().transformValues(supplier, mat, s.named()), of.key(), type);
    }

    private static Suppressed<?> suppressed(final Statement s) {
        BufferConfig buffer = s.has("bytes") ? BufferConfig.maxBytes(s.number("bytes")) : BufferConfig.unbounded();
        buffer = s.has("records") && s.has("bytes") ? buffer.withMaxRecords(s.number("records")) : buffer;
        buffer = s.has("records") && !s.has("bytes") ? BufferConfig.maxRecords(s.number("records")) : buffer;
        buffer = s.flag("shut") ? buffer.shutDownWhenFull() : buffer;
        buffer = s.flag("early") ? buffer.emitEarlyWhenFull() : buffer;
        // Last, as the others forget it.
        buffer = s.has("log") && !s.flag("log") ? buffer.withLoggingDisabled() : buffer;
        final Suppressed<?> made = s.flag("close")
            ? Suppressed.untilWindowCloses((Suppressed.StrictBufferConfig) buffer)
            : Suppressed.untilTimeLimit(Duration.ofMillis(s.number("limit")), buffer);
        return s.has("name") ? ((Suppressed<Object>) made).withName(s.text("name")) : made;
    }
}
