package oracle;

import static oracle.Functions.JOINERS;
import static oracle.Functions.KEYS;
import static oracle.Functions.VALUES;
import static oracle.Functions.find;
import static oracle.Program.serde;

import java.util.function.BiFunction;
import java.util.function.Function;
import oracle.Functions.Fn;
import oracle.Functions.Joiner;
import oracle.Functions.Mapper;
import oracle.Program.Handle;
import oracle.Program.Statement;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.ValueJoinerWithKey;
import org.apache.kafka.streams.state.KeyValueStore;

/** Joins of all kinds. "kind" is inner, left or outer; "fn" the joiner. */
final class Joins {
    private Joins() { }

    static Handle build(final Program program, final Statement s) {
        return switch (s.op()) {
            case "joinStream" -> streams(s);
            case "joinTable" -> streamTable(s);
            case "joinGlobal" -> streamGlobal(s);
            case "joinTables" -> tables(s);
            case "joinForeign" -> foreign(s);
            default -> null;
        };
    }

    private static Fn<Joiner> joiner(final Statement s) {
        return find(JOINERS, s.text("fn"));
    }

    private static ValueJoiner<Object, Object, Object> plain(final Statement s) {
        final Joiner joiner = joiner(s).call();
        return (a, b) -> joiner.call(null, a, b);
    }

    private static ValueJoinerWithKey<Object, Object, Object, Object> keyed(final Statement s) {
        final Joiner joiner = joiner(s).call();
        return joiner::call;
    }

    private static Handle streams(final Statement s) {
        final Handle left = s.of(0);
        final Handle right = s.of(1);
        final JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(
            java.time.Duration.ZERO, s.duration("grace")).after(s.duration("after")).before(s.duration("before"));
        StreamJoined<Object, Object, Object> joined =
            StreamJoined.with(serde(left.key()), serde(left.value()), serde(right.value()));
        joined = s.has("name") ? joined.withName(s.text("name")) : joined;
        joined = s.has("store") ? joined.withStoreName(s.text("store")) : joined;
        joined = s.has("log") && !s.flag("log") ? joined.withLoggingDisabled() : joined;
        final KStream<Object, Object> one = left.stream();
        final KStream<Object, Object> two = right.stream();
        final KStream<Object, Object> made;
        if (s.flag("keyed")) {
            final ValueJoinerWithKey<Object, Object, Object, Object> fn = keyed(s);
            made = switch (s.text("kind")) {
                case "inner" -> one.join(two, fn, windows, joined);
                case "left" -> one.leftJoin(two, fn, windows, joined);
                default -> one.outerJoin(two, fn, windows, joined);
            };
        } else {
            final ValueJoiner<Object, Object, Object> fn = plain(s);
            made = switch (s.text("kind")) {
                case "inner" -> one.join(two, fn, windows, joined);
                case "left" -> one.leftJoin(two, fn, windows, joined);
                default -> one.outerJoin(two, fn, windows, joined);
            };
        }
        return new Handle(made, left.key(), joiner(s).type());
    }

    private static Handle streamTable(final Statement s) {
        final Handle left = s.of(0);
        final Handle right = s.of(1);
        Joined<Object, Object, Object> joined =
            Joined.with(serde(left.key()), serde(left.value()), serde(right.value()));
        joined = s.has("name") ? joined.withName(s.text("name")) : joined;
        joined = s.has("grace") ? joined.withGracePeriod(s.duration("grace")) : joined;
        final boolean inner = s.text("kind").equals("inner");
        final KStream<Object, Object> made;
        if (s.flag("keyed")) {
            made = inner
                ? left.stream().join(right.table(), keyed(s), joined)
                : left.stream().leftJoin(right.table(), keyed(s), joined);
        } else {
            made = inner
                ? left.stream().join(right.table(), plain(s), joined)
                : left.stream().leftJoin(right.table(), plain(s), joined);
        }
        return new Handle(made, left.key(), joiner(s).type());
    }

    @SuppressWarnings("unchecked")
    private static Handle streamGlobal(final Statement s) {
        final Handle left = s.of(0);
        final GlobalKTable<Object, Object> right = (GlobalKTable<Object, Object>) s.of(1).object();
        final Mapper key = find(KEYS, s.text("key")).call();
        final boolean inner = s.text("kind").equals("inner");
        final KStream<Object, Object> made;
        if (s.flag("keyed")) {
            made = inner
                ? left.stream().join(right, key::call, keyed(s), s.named())
                : left.stream().leftJoin(right, key::call, keyed(s), s.named());
        } else {
            made = inner
                ? left.stream().join(right, key::call, plain(s), s.named())
                : left.stream().leftJoin(right, key::call, plain(s), s.named());
        }
        return new Handle(made, left.key(), joiner(s).type());
    }

    private static Handle tables(final Statement s) {
        final Handle left = s.of(0);
        final Handle right = s.of(1);
        final String type = joiner(s).type();
        final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.keyValue(left.key(), type);
        final KTable<Object, Object> one = left.table();
        final KTable<Object, Object> two = right.table();
        final ValueJoiner<Object, Object, Object> fn = plain(s);
        final KTable<Object, Object> made = switch (s.text("kind")) {
            case "inner" -> mat == null ? one.join(two, fn, s.named()) : one.join(two, fn, s.named(), mat);
            case "left" -> mat == null ? one.leftJoin(two, fn, s.named()) : one.leftJoin(two, fn, s.named(), mat);
            default -> mat == null ? one.outerJoin(two, fn, s.named()) : one.outerJoin(two, fn, s.named(), mat);
        };
        return new Handle(made, left.key(), type);
    }

    private static Handle foreign(final Statement s) {
        final Handle left = s.of(0);
        final Handle right = s.of(1);
        final Fn<Joiner> joiner = joiner(s);
        final Mapper extract = find(VALUES, s.text("foreign")).call();
        // Kafka takes the serdes of the default for a table without any, so the store says them.
        final Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> mat = s.has("mat")
            ? s.keyValue(left.key(), joiner.type())
            : Materialized.with(serde(left.key()), serde(joiner.type()));
        final TableJoined<Object, Object> joined = s.has("name") ? TableJoined.as(s.text("name")) : TableJoined.with(null, null);
        final boolean inner = s.text("kind").equals("inner");
        final KTable<Object, Object> one = left.table();
        final KTable<Object, Object> two = right.table();
        final KTable<Object, Object> made;
        if (s.flag("keyed")) {
            final BiFunction<Object, Object, Object> foreign = extract::call;
            made = inner
                ? one.join(two, foreign, plain(s), joined, mat)
                : one.leftJoin(two, foreign, plain(s), joined, mat);
        } else {
            final Function<Object, Object> foreign = v -> extract.call(null, v);
            made = inner
                ? one.join(two, foreign, plain(s), joined, mat)
                : one.leftJoin(two, foreign, plain(s), joined, mat);
        }
        return new Handle(made, left.key(), joiner.type());
    }
}
