package oracle;

import static oracle.Functions.num;
import static oracle.Program.NOTHING;
import static oracle.Program.serde;

import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import oracle.Program.Handle;
import oracle.Program.Statement;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.TopicNameExtractor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.state.StoreBuilder;

/** Topologies made node by node: an object is the name of a node. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Hand {
    private Hand() { }

    static Handle build(final Program program, final Statement s) {
        final Topology topology = program.topology;
        final String name = s.text("name");
        switch (s.op()) {
            case "handStore" -> topology.addStateStore(Custom.store(s));
            case "handSource" -> {
                final String[] types = program.topics.get(s.texts("topics").get(0));
                topology.addSource(name, reader(types[0]), reader(types[1]), s.texts("topics").toArray(String[]::new));
                return new Handle(name, types[0], types[1]);
            }
            case "handProcessor" -> {
                topology.addProcessor(name, Custom.processor(s), parents(s));
                if (!s.texts("stores").isEmpty()) {
                    topology.connectProcessorAndStateStores(name, s.texts("stores").toArray(String[]::new));
                }
                return new Handle(name, "s", "s");
            }
            case "handSink" -> {
                final Serializer<Object> key = serde(s.of(0).key()).serializer();
                final Serializer<Object> value = serde(s.of(0).value()).serializer();
                if (s.has("chosen")) {
                    topology.addSink(name, chooser(s), key, value, parents(s));
                } else if (s.has("partitions")) {
                    topology.addSink(name, s.text("topic"), key, value, partitioner(), parents(s));
                } else {
                    topology.addSink(name, s.text("topic"), key, value, parents(s));
                }
            }
            case "handReadOnly" -> {
                final String[] types = program.topics.get(s.text("topic"));
                topology.addReadOnlyStateStore((StoreBuilder) Custom.store(s), s.text("source"), reader(types[0]), reader(types[1]),
                    s.text("topic"), name, (ProcessorSupplier) Custom.processor(s));
            }
            case "handGlobal" -> {
                final String[] types = program.topics.get(s.text("topic"));
                topology.addGlobalStore((StoreBuilder) Custom.store(s), s.text("source"), reader(types[0]), reader(types[1]),
                    s.text("topic"), name, (ProcessorSupplier) Custom.processor(s));
            }
            default -> {
                return null;
            }
        }
        return NOTHING;
    }

    /** By the number in the value: Kafka's own choice, none at all, or the first. */
    static StreamPartitioner<Object, Object> partitioner() {
        return (topic, key, value, count) -> switch ((int) Math.floorMod(num(value), 3)) {
            case 0 -> Optional.empty();
            case 1 -> Optional.of(Set.of());
            default -> Optional.of(Set.of(0));
        };
    }

    static TopicNameExtractor<Object, Object> chooser(final Statement s) {
        final String prefix = s.text("chosen");
        final boolean timed = s.flag("timed");
        return (key, value, context) -> prefix + Math.floorMod(timed
            ? context.timestamp() + context.headers().toArray().length
            : num(key) + context.offset(), 2);
    }

    private static Deserializer<Object> reader(final String type) {
        return serde(type).deserializer();
    }

    private static String[] parents(final Statement s) {
        final Set<String> found = new LinkedHashSet<>(); // shrinking may give the same one twice
        for (int index = 0; index < s.ofs(); index++) {
            found.add((String) s.of(index).object());
        }
        return found.toArray(String[]::new);
    }
}
