package connect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;

/** Schemas and values as JSON, each value with the name of its class. */
final class Wire {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private Wire() {}

    static Schema schema(JsonNode node) {
        if (node == null || node.isNull()) {
            return null;
        }
        Schema.Type type = Schema.Type.valueOf(node.get("type").asText());
        SchemaBuilder builder;
        if (type == Schema.Type.ARRAY) {
            builder = SchemaBuilder.array(schema(node.get("values")));
        } else if (type == Schema.Type.MAP) {
            builder = SchemaBuilder.map(schema(node.get("keys")), schema(node.get("values")));
        } else {
            builder = new SchemaBuilder(type);
        }
        if (node.get("optional").asBoolean()) {
            builder.optional();
        }
        builder.name(text(node, "name")).doc(text(node, "doc"));
        if (node.hasNonNull("version")) {
            builder.version(node.get("version").asInt());
        }
        if (node.hasNonNull("parameters")) {
            node.get("parameters").properties().forEach(e -> builder.parameter(e.getKey(), e.getValue().asText()));
        }
        if (node.hasNonNull("fields")) {
            node.get("fields").forEach(f -> builder.field(f.get(0).asText(), schema(f.get(1))));
        }
        if (node.hasNonNull("default")) {
            Object value = value(node.get("default"));
            builder.defaultValue(value);
        }
        return builder.build();
    }

    private static String text(JsonNode node, String name) {
        return node.hasNonNull(name) ? node.get(name).asText() : null;
    }

    static Object value(JsonNode node) {
        if (node == null || node.isNull()) {
            return null;
        }
        JsonNode told = node.get(1);
        switch (node.get(0).asText()) {
            case "int8": return (byte) told.asInt();
            case "int16": return (short) told.asInt();
            case "int32": return told.asInt();
            case "int64": return told.asLong();
            case "float32": return (float) Double.parseDouble(told.asText());
            case "float64": return Double.parseDouble(told.asText());
            case "boolean": return told.asBoolean();
            case "string": return told.asText();
            case "bytes": return Base64.getDecoder().decode(told.asText());
            case "decimal": return new BigDecimal(told.asText());
            case "Date": case "Time": case "Timestamp": return new Date(told.asLong());
            case "list": {
                List<Object> list = new ArrayList<>();
                told.forEach(each -> list.add(value(each)));
                return list;
            }
            case "map": {
                Map<Object, Object> map = new LinkedHashMap<>();
                told.forEach(each -> map.put(value(each.get(0)), value(each.get(1))));
                return map;
            }
            case "struct": {
                Schema schema = schema(told);
                Struct struct = new Struct(schema);
                for (Field field : schema.fields()) {
                    Object each = value(node.get(2).get(field.index()));
                    if (each != null) {
                        struct.put(field, each);
                    }
                }
                return struct;
            }
            default: throw new IllegalStateException(node.toString());
        }
    }

    static ConnectHeaders headers(JsonNode node) {
        ConnectHeaders headers = new ConnectHeaders();
        node.forEach(h -> headers.add(h.get(0).asText(), value(h.get(2)), schema(h.get(1))));
        return headers;
    }

    static JsonNode tell(Schema schema) {
        if (schema == null) {
            return JSON.nullNode();
        }
        ObjectNode node = JSON.objectNode();
        node.put("type", schema.type().name());
        node.put("optional", schema.isOptional());
        node.put("name", schema.name());
        node.put("version", schema.version());
        node.put("doc", schema.doc());
        node.set("default", tell(schema.defaultValue()));
        if (schema.parameters() != null) {
            ObjectNode parameters = node.putObject("parameters");
            schema.parameters().forEach(parameters::put);
        }
        if (schema.type() == Schema.Type.STRUCT) {
            ArrayNode fields = node.putArray("fields");
            schema.fields().forEach(f -> fields.addArray().add(f.name()).add(tell(f.schema())));
        }
        if (schema.type() == Schema.Type.MAP) {
            node.set("keys", tell(schema.keySchema()));
        }
        if (schema.type() == Schema.Type.MAP || schema.type() == Schema.Type.ARRAY) {
            node.set("values", tell(schema.valueSchema()));
        }
        return node;
    }

    private static ArrayNode tagged(String tag) {
        return JSON.arrayNode().add(tag);
    }

    static JsonNode tell(Object value) {
        if (value == null) {
            return JSON.nullNode();
        } else if (value instanceof Boolean b) {
            return tagged("boolean").add(b);
        } else if (value instanceof Float || value instanceof Double) {
            return tagged("float").add(Double.toString(((Number) value).doubleValue()));
        } else if (value instanceof BigDecimal) {
            return tagged("decimal").add(value.toString());
        } else if (value instanceof Number n) {
            return tagged("int").add(n.longValue());
        } else if (value instanceof String s) {
            return tagged("string").add(s);
        } else if (value instanceof byte[] b) {
            return tagged("bytes").add(Base64.getEncoder().encodeToString(b));
        } else if (value instanceof ByteBuffer b) {
            return tell(b.array());
        } else if (value instanceof Date d) {
            return tagged("date").add(d.getTime());
        } else if (value instanceof List<?> list) {
            ArrayNode items = JSON.arrayNode();
            list.forEach(each -> items.add(tell(each)));
            return tagged("list").add(items);
        } else if (value instanceof Map<?, ?> map) {
            ArrayNode items = JSON.arrayNode();
            map.forEach((k, v) -> items.addArray().add(tell(k)).add(tell(v)));
            return tagged("map").add(items);
        } else if (value instanceof Struct struct) {
            ArrayNode items = JSON.arrayNode();
            struct.schema().fields().forEach(f -> items.add(tell(struct.getWithoutDefault(f.name()))));
            return tagged("struct").add(tell(struct.schema())).add(items);
        }
        throw new IllegalStateException(value.getClass().toString());
    }

    static JsonNode tell(Iterable<Header> headers) {
        ArrayNode items = JSON.arrayNode();
        headers.forEach(h -> items.addArray().add(h.key()).add(tell(h.schema())).add(tell(h.value())));
        return items;
    }
}
