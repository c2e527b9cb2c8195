package oracle;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.streams.kstream.Windowed;

/**
 * The functions that a scenario can name; the same ones are in tests/oracle/functions.py.
 *
 * <p>Each takes keys and values of any type, null included, and says which type it gives: "s" a
 * text, "l" a long, "=" what it was given.
 */
final class Functions {
    /** A function and the type of what it returns. */
    record Fn<F>(String type, F call) {
        String type(final String given) {
            return "=".equals(type) ? given : type;
        }
    }

    interface Mapper { Object call(Object key, Object value); }

    interface Predicate { boolean call(Object key, Object value); }

    interface Flat { List<Object> call(Object value); }

    interface Joiner { Object call(Object key, Object left, Object right); }

    interface Folder { Object call(Object key, Object value, Object aggregate); }

    interface Start { Object call(); }

    static final Map<String, Fn<Mapper>> VALUES = new LinkedHashMap<>();
    static final Map<String, Fn<Mapper>> KEYS = new LinkedHashMap<>();
    static final Map<String, Fn<Predicate>> PREDICATES = new LinkedHashMap<>();
    static final Map<String, Fn<Flat>> FLATS = new LinkedHashMap<>();
    static final Map<String, Fn<Joiner>> JOINERS = new LinkedHashMap<>();
    static final Map<String, Fn<Folder>> AGGREGATORS = new LinkedHashMap<>();
    static final Map<String, Fn<Start>> STARTS = new LinkedHashMap<>();
    static final Map<String, Fn<Joiner>> REDUCERS = new LinkedHashMap<>();
    static final Map<String, Fn<Joiner>> MERGERS = new LinkedHashMap<>();

    private Functions() { }

    /** The number in anything. */
    static long num(final Object data) {
        if (data == null) {
            return 0;
        }
        if (data instanceof Long number) {
            return number;
        }
        if (data instanceof Windowed<?> windowed) {
            return num(windowed.key()) + windowed.window().start();
        }
        final String text = (String) data;
        return text.matches("-?[0-9]{1,15}") ? Long.parseLong(text) : text.length();
    }

    /** The text of anything. */
    static String text(final Object data) {
        if (data instanceof Windowed<?> windowed) {
            return text(windowed.key()) + "@" + windowed.window().start() + "-" + windowed.window().end();
        }
        return data == null ? "null" : data.toString();
    }

    /** Keeps texts short, and different ones different as a rule. */
    static String cut(final String text) {
        return text.length() <= 32
            ? text
            : text.substring(0, 12) + "~" + text.length() + "~" + text.substring(text.length() - 12);
    }

    private static long mod(final Object data, final long by) {
        return Math.floorMod(num(data), by);
    }

    private static Object plus(final Object one, final Object two) {
        if (one == null || two == null) {
            return one == null ? two : one;
        }
        return one instanceof Long && two instanceof Long
            ? (Object) (num(one) + num(two))
            : cut(text(one) + text(two));
    }

    private static Object minus(final Object one, final Object two) {
        if (one == null || two == null) {
            return one;
        }
        return one instanceof Long && two instanceof Long
            ? (Object) (num(one) - num(two))
            : cut(text(one) + "-" + text(two));
    }

    static {
        VALUES.put("inc", new Fn<>("l", (k, v) -> v == null ? null : num(v) + 1));
        VALUES.put("neg", new Fn<>("l", (k, v) -> v == null ? null : -num(v)));
        VALUES.put("mod3", new Fn<>("l", (k, v) -> v == null ? null : mod(v, 3)));
        VALUES.put("nullIfEven", new Fn<>("l", (k, v) -> v == null || mod(v, 2) == 0 ? null : num(v)));
        VALUES.put("number", new Fn<>("l", (k, v) -> num(v)));
        VALUES.put("text", new Fn<>("s", (k, v) -> v == null ? null : text(v)));
        VALUES.put("nullText", new Fn<>("s", (k, v) -> text(v)));
        VALUES.put("twice", new Fn<>("s", (k, v) -> v == null ? null : cut(text(v) + text(v))));
        VALUES.put("nullIfLong", new Fn<>("s", (k, v) -> v == null || text(v).length() > 2 ? null : text(v)));
        VALUES.put("k:v", new Fn<>("s", (k, v) -> cut(text(k) + ":" + text(v))));
        VALUES.put("k+v", new Fn<>("l", (k, v) -> num(k) + num(v)));

        KEYS.put("text", new Fn<>("s", (k, v) -> k == null ? null : text(k)));
        KEYS.put("value", new Fn<>("s", (k, v) -> v == null ? null : text(v)));
        KEYS.put("mod2", new Fn<>("l", (k, v) -> mod(v, 2)));
        KEYS.put("number", new Fn<>("l", (k, v) -> k == null ? null : num(k)));
        KEYS.put("all", new Fn<>("s", (k, v) -> "all"));
        KEYS.put("nullIfOdd", new Fn<>("s", (k, v) -> k == null || mod(v, 2) == 1 ? null : text(k)));
        KEYS.put("first", new Fn<>("s", (k, v) -> k == null ? null : (text(k) + "?").substring(0, 1)));

        PREDICATES.put("even", new Fn<>("", (k, v) -> mod(v, 2) == 0));
        PREDICATES.put("odd", new Fn<>("", (k, v) -> mod(v, 2) == 1));
        PREDICATES.put("value", new Fn<>("", (k, v) -> v != null));
        PREDICATES.put("key", new Fn<>("", (k, v) -> k != null));
        PREDICATES.put("a", new Fn<>("", (k, v) -> text(k).startsWith("a")));
        PREDICATES.put("small", new Fn<>("", (k, v) -> num(v) < 3));
        PREDICATES.put("all", new Fn<>("", (k, v) -> true));
        PREDICATES.put("none", new Fn<>("", (k, v) -> false));

        FLATS.put("none", new Fn<>("=", v -> List.of()));
        FLATS.put("once", new Fn<>("=", v -> repeated(v, 1)));
        FLATS.put("two", new Fn<>("=", v -> repeated(v, 2)));
        FLATS.put("letters", new Fn<>("s", v -> letters(v)));
        FLATS.put("countdown", new Fn<>("l", v -> countdown(v)));

        JOINERS.put("plus", new Fn<>("s", (k, a, b) -> cut(text(a) + "+" + text(b))));
        JOINERS.put("sum", new Fn<>("l", (k, a, b) -> num(a) + num(b)));
        JOINERS.put("nullIfEven", new Fn<>("l", (k, a, b) -> Math.floorMod(num(a) + num(b), 2) == 0 ? null : num(a) + num(b)));
        JOINERS.put("k:plus", new Fn<>("s", (k, a, b) -> cut(text(k) + ":" + text(a) + "+" + text(b))));

        STARTS.put("zero", new Fn<>("l", () -> 0L));
        STARTS.put("one", new Fn<>("l", () -> 1L));
        STARTS.put("empty", new Fn<>("s", () -> ""));
        STARTS.put("nullLong", new Fn<>("l", () -> null));
        STARTS.put("nullText", new Fn<>("s", () -> null));

        AGGREGATORS.put("add", new Fn<>("l", (k, v, a) -> num(a) + num(v)));
        AGGREGATORS.put("subtract", new Fn<>("l", (k, v, a) -> num(a) - num(v)));
        AGGREGATORS.put("countNot3", new Fn<>("l", (k, v, a) -> mod(v, 3) == 0 ? null : num(a) + 1));
        AGGREGATORS.put("append", new Fn<>("s", (k, v, a) -> cut((a == null ? "" : text(a)) + text(v))));
        AGGREGATORS.put("remove", new Fn<>("s", (k, v, a) -> cut((a == null ? "" : text(a)) + "-" + text(v))));
        AGGREGATORS.put("keyed", new Fn<>("s", (k, v, a) -> mod(v, 5) == 4 ? null : cut(text(k) + text(a) + text(v))));

        REDUCERS.put("add", new Fn<>("=", (k, a, b) -> plus(a, b)));
        REDUCERS.put("subtract", new Fn<>("=", (k, a, b) -> minus(a, b)));
        REDUCERS.put("last", new Fn<>("=", (k, a, b) -> b));
        REDUCERS.put("first", new Fn<>("=", (k, a, b) -> a));
        REDUCERS.put("most", new Fn<>("=", (k, a, b) -> num(b) > num(a) ? b : a));
        REDUCERS.put("nullOn3", new Fn<>("=", (k, a, b) -> mod(b, 3) == 0 ? null : plus(a, b)));

        MERGERS.put("sum", new Fn<>("l", (k, a, b) -> num(a) + num(b)));
        MERGERS.put("concat", new Fn<>("s", (k, a, b) -> cut(text(a) + text(b))));
        MERGERS.put("nullOn3", new Fn<>("l", (k, a, b) -> Math.floorMod(num(a) + num(b), 3) == 0 ? null : num(a) + num(b)));
    }

    static <F> Fn<F> find(final Map<String, Fn<F>> table, final String name) {
        return Objects.requireNonNull(table.get(name), () -> "no function " + name);
    }

    private static List<Object> repeated(final Object value, final int times) {
        final List<Object> found = new ArrayList<>();
        for (int number = 0; number < times; number++) {
            found.add(value);
        }
        return found;
    }

    private static List<Object> letters(final Object value) {
        final List<Object> found = new ArrayList<>();
        if (value != null) {
            text(value).chars().limit(3).forEach(each -> found.add(String.valueOf((char) each)));
        }
        return found;
    }

    private static List<Object> countdown(final Object value) {
        final List<Object> found = new ArrayList<>();
        for (long number = mod(value, 4); number > 0; number--) {
            found.add(number);
        }
        return found;
    }
}
