package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.kstream.internals.NamedInternal;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Builds the topology that a scenario's program says, one statement after the other.
 *
 * <p>A statement is {"op": …, "of": [numbers of earlier statements], and its arguments}.
 */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Program {
    /** What a statement gives: an object of the DSL, and the types of its keys and values. */
    record Handle(Object object, String key, String value) {
        Handle(final Object object, final Handle like) {
            this(object, like.key, like.value);
        }

        KStream<Object, Object> stream() {
            return (KStream<Object, Object>) object;
        }

        KTable<Object, Object> table() {
            return (KTable<Object, Object>) object;
        }
    }

    /** A statement with its arguments read. */
    final class Statement {
        final JsonNode json;

        Statement(final JsonNode json) {
            this.json = json;
        }

        String op() {
            return json.get("op").textValue();
        }

        Handle of(final int index) {
            return handles.get(json.get("of").get(index).intValue());
        }

        /** Another statement, within the arguments of this one. */
        Statement inner(final String name) {
            return new Statement(json.get(name));
        }

        int ofs() {
            return json.path("of").size();
        }

        boolean has(final String name) {
            return json.hasNonNull(name);
        }

        String text(final String name) {
            return json.path(name).textValue();
        }

        long number(final String name) {
            return json.path(name).longValue();
        }

        Duration duration(final String name) {
            return Duration.ofMillis(number(name));
        }

        boolean flag(final String name) {
            return json.path(name).booleanValue();
        }

        List<String> texts(final String name) {
            final List<String> found = new ArrayList<>();
            json.path(name).forEach(each -> found.add(each.textValue()));
            return found;
        }

        /** The name that was given, or what the overloads without a name pass on. */
        Named named() {
            return has("name") ? Named.as(text("name")) : NamedInternal.empty();
        }

        /** "mat", or null where nothing was said. */
        <S extends StateStore> Materialized<Object, Object, S> materialized(final String key, final String value) {
            return has("mat") ? Program.materialized(json.get("mat"), key, value) : null;
        }

        Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> keyValue(final String key, final String value) {
            return materialized(key, value);
        }
    }

    final StreamsBuilder builder;
    /** What a program by hand is built with, null for one of the DSL. */
    final Topology topology;
    /** What came to the ends of streams that are no topics. */
    final List<String> seen = new ArrayList<>();
    final Map<String, String[]> topics = new HashMap<>();
    private final List<Handle> handles = new ArrayList<>();

    Program(final StreamsBuilder builder, final Topology topology, final JsonNode topics) {
        this.builder = builder;
        this.topology = topology;
        topics.properties().forEach(each -> this.topics.put(
            each.getKey(), new String[] {each.getValue().get(0).textValue(), each.getValue().get(1).textValue()}));
    }

    void build(final JsonNode program) {
        for (final JsonNode each : program) {
            final Statement statement = new Statement(each);
            Handle made = topology != null ? Hand.build(this, statement) : Streams.build(this, statement);
            made = made != null ? made : Tables.build(this, statement);
            made = made != null ? made : Aggregations.build(this, statement);
            made = made != null ? made : Joins.build(this, statement);
            made = made != null ? made : Custom.build(this, statement);
            if (made == null) {
                throw new UnsupportedOperationException("no operator " + statement.op());
            }
            handles.add(made);
        }
    }

    static final Handle NOTHING = new Handle(null, null, null);

    /** The serde of a type: "s", "l", "w10:s" in windows of 10 ms, "x:s" in sessions. */
    static Serde<Object> serde(final String type) {
        final Serde found;
        if (type.equals("s")) {
            found = Serdes.String();
        } else if (type.equals("l")) {
            found = Serdes.Long();
        } else {
            final int colon = type.indexOf(':');
            final Serde inner = serde(type.substring(colon + 1));
            found = type.startsWith("w")
                ? new WindowedSerdes.TimeWindowedSerde(inner, Long.parseLong(type.substring(1, colon)))
                : new WindowedSerdes.SessionWindowedSerde(inner);
        }
        return found;
    }

    /** A serde that cannot write some values. */
    static Serde<Object> picky(final Serde<Object> serde) {
        return Serdes.serdeFrom((topic, data) -> {
            if (Functions.num(data) == 2) {
                throw new IllegalArgumentException("picky");
            }
            return serde.serializer().serialize(topic, data);
        }, serde.deserializer());
    }

    private static Materialized materialized(final JsonNode json, final String key, final String value) {
        final String store = json.path("store").textValue();
        Materialized made;
        if (json.hasNonNull("history")) {
            made = Materialized.as(Stores.persistentVersionedKeyValueStore(
                store, Duration.ofMillis(json.get("history").longValue())));
        } else if (json.hasNonNull("lru")) {
            made = Materialized.as(Stores.lruMap(store, json.get("lru").intValue()));
        } else {
            made = store != null ? Materialized.as(store) : Materialized.with(serde(key), serde(value));
        }
        made = made.withKeySerde(serde(key)).withValueSerde(serde(value));
        if (json.hasNonNull("memory")) {
            made = made.withStoreType(json.get("memory").booleanValue()
                ? Materialized.StoreType.IN_MEMORY : Materialized.StoreType.ROCKS_DB);
        }
        if (json.hasNonNull("cache")) {
            made = json.get("cache").booleanValue() ? made.withCachingEnabled() : made.withCachingDisabled();
        }
        if (json.hasNonNull("log")) {
            made = json.get("log").booleanValue() ? made.withLoggingEnabled(Map.of()) : made.withLoggingDisabled();
        }
        if (json.hasNonNull("retention")) {
            made = made.withRetention(Duration.ofMillis(json.get("retention").longValue()));
        }
        return made;
    }
}
