import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * An application with a store of every kind that Aliran takes over and hands back; its other half is
 * in hand_over.py: HandOver BROKER APPLICATION STATE-DIRECTORY. It stops when standard input ends.
 */
public class HandOver {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[2]);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put("auto.offset.reset", "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        build(builder, arguments[1] + "-");
        boolean[] failed = new boolean[1];
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            failed[0] = true;
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
                    .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        while (System.in.read() >= 0) { }
        streams.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
        System.exit(failed[0] ? 1 : 0);
    }

    private static void build(StreamsBuilder builder, String prefix) {
        Serde<String> text = Serdes.String();
        Serde<Windowed<String>> minute = WindowedSerdes.timeWindowedSerdeFrom(String.class, 60_000);
        Serde<Windowed<String>> session = WindowedSerdes.sessionWindowedSerdeFrom(String.class);
        KStream<String, String> clicks = builder.stream(prefix + "clicks");
        KStream<String, String> orders = builder.stream(prefix + "orders");
        KTable<String, String> users = builder.table(prefix + "users", Materialized.as("users"));
        KTable<String, String> rates = builder.table(prefix + "rates",
                Materialized.as(Stores.persistentVersionedKeyValueStore("rates", Duration.ofHours(1))));

        clicks.groupBy((user, page) -> page, Grouped.as("pages"))
                .count(Materialized.as("pages"))
                .toStream().to(prefix + "pages", Produced.with(text, Serdes.Long()));
        KTable<Windowed<String>, Long> minutes = clicks.groupByKey(Grouped.with(text, text))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofSeconds(10)))
                .count(Materialized.as("minutes"));
        minutes.toStream().to(prefix + "minutes", Produced.with(minute, Serdes.Long()));
        minutes.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("final"))
                .toStream().to(prefix + "final", Produced.with(minute, Serdes.Long()));
        clicks.groupByKey(Grouped.with(text, text))
                .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(30), Duration.ofSeconds(10)))
                .reduce((one, two) -> one + two, Materialized.as("visits"))
                .toStream().to(prefix + "visits", Produced.with(session, text));
        clicks.join(users, (page, user) -> page + " by " + user).to(prefix + "named");
        clicks.join(rates, (page, rate) -> page + " at " + rate).to(prefix + "rated");
        clicks.join(orders, (page, order) -> page + " with " + order,
                        JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(20), Duration.ofHours(1)),
                        StreamJoined.with(text, text, text).withStoreName("near"))
                .to(prefix + "near");
        builder.addStateStore(
                Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("seen"), text, Serdes.Long()));
        clicks.process(Seen::new, "seen").to(prefix + "seen", Produced.with(text, Serdes.Long()));
    }

    private static final class Seen extends ContextualProcessor<String, String, String, Long> {
        @Override
        public void process(Record<String, String> record) {
            KeyValueStore<String, Long> seen = context().getStateStore("seen");
            Long before = seen.get(record.key());
            seen.put(record.key(), before == null ? 1 : before + 1);
            context().forward(record.withValue(seen.get(record.key())));
        }
    }
}
