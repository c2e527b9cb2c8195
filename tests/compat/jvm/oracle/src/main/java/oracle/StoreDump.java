package oracle;

import static oracle.Functions.text;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.TreeMap;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.WindowStore;

/** What is in the stores at the end, in the order in which they give it. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class StoreDump {
    private StoreDump() { }

    /** Rows of key, value and time by store; stores of Kafka's own, as of joins, are left out. */
    static ObjectNode of(final TopologyTestDriver driver) {
        final ObjectNode found = JsonNodeFactory.instance.objectNode();
        new TreeMap<>(driver.getAllStateStores()).forEach((name, store) -> {
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
