package oracle;

import static oracle.Functions.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;

/** What is in the stores at the end, in the order in which they give it. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class StoreDump {
    private StoreDump() { }

    /** Rows of key, value and time by store; stores of Kafka's own, as of joins, are left out. */
    static ObjectNode of(final TopologyTestDriver driver, final JsonNode steps) {
        final ObjectNode found = JsonNodeFactory.instance.objectNode();
        new TreeMap<>(driver.getAllStateStores()).forEach((name, store) -> {
            if (store instanceof VersionedKeyValueStore each) {
                found.set(name, versions(each, steps));
                return;
            }
            final KeyValueIterator<Object, Object> rows = rows(store);
            if (rows == null) {
                return;
            }
            final ArrayNode all = JsonNodeFactory.instance.arrayNode();
            boolean ours = true;
            try (rows) {
                while (rows.hasNext() && ours) {
                    final KeyValue<Object, Object> row = rows.next();
                    ours = known(row.key) && known(row.value);
                    if (ours) {
                        add(all.addArray(), row);
                    }
                }
            } catch (final ClassCastException | IllegalArgumentException error) {
                ours = false; // of a join: values in pairs, or windows of no length
            }
            if (ours) {
                found.set(name, all);
            }
        });
        return found;
    }

    /** Keys that versioned stores are asked for, which cannot list theirs; in run.py too. */
    private static final List<Object> ASKED =
        List.of("a", "b", "ab", "c", "all", "0", "1", "2", "3", "4", "x", 0L, 1L, -1L, 2L, 3L, 4L, 7L);

    /** What a versioned store says of those keys, at the times of all steps. */
    private static ArrayNode versions(final VersionedKeyValueStore store, final JsonNode steps) {
        final TreeSet<Long> times = new TreeSet<>();
        steps.forEach(step -> times.add(step.path(3).longValue()));
        final ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (final Object key : ASKED) {
            for (final long time : times) {
                try {
                    final VersionedRecord<Object> found = store.get(key, time);
                    if (found != null) {
                        all.addArray().add(text(key) + " as of " + time).add(text(found.value())).add(found.timestamp());
                    }
                } catch (final ClassCastException | StreamsException error) {
                    break; // its keys are of another type
                }
            }
        }
        return all;
    }

    private static KeyValueIterator<Object, Object> rows(final StateStore store) {
        if (store instanceof KeyValueStore each) {
            return each.all();
        }
        if (store instanceof WindowStore each) {
            return each.all();
        }
        return store instanceof SessionStore ? null : null;
    }

    private static boolean known(final Object data) {
        return data == null || data instanceof String || data instanceof Long
            || data instanceof Windowed<?> || data instanceof ValueAndTimestamp<?>;
    }

    private static void add(final ArrayNode row, final KeyValue<Object, Object> pair) {
        row.add(text(pair.key));
        if (pair.value instanceof ValueAndTimestamp<?> each) {
            row.add(text(each.value())).add(each.timestamp());
        } else {
            row.add(pair.value == null ? null : text(pair.value));
        }
    }
}
