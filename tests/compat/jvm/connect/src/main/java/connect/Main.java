package connect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaProjector;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/** Reads questions, one a line, and asks Kafka's own classes. */
public final class Main {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode question = MAPPER.readTree(line);
            ObjectNode answer = MAPPER.createObjectNode();
            answer.set("id", question.get("id"));
            try {
                answer.set("result", answer(question));
            } catch (Exception e) {
                ObjectNode error = answer.putObject("error");
                error.put("type", e.getClass().getName());
                error.put("message", String.valueOf(e.getMessage()));
            }
            out.println(MAPPER.writeValueAsString(answer));
            out.flush();
        }
    }

    private static JsonNode answer(JsonNode question) throws Exception {
        return switch (question.get("do").asText()) {
            case "transform" -> transform(question);
            case "predicate" -> predicate(question);
            case "write" -> write(question);
            case "read" -> read(question);
            case "project" -> Wire.tell(SchemaProjector.project(
                Wire.schema(question.get("schema")), Wire.value(question.get("value")), Wire.schema(question.get("target"))));
            default -> throw new IllegalStateException(question.toString());
        };
    }

    private static Object make(JsonNode question) throws Exception {
        return Class.forName(question.get("class").asText()).getDeclaredConstructor().newInstance();
    }

    private static Map<String, String> config(JsonNode question) {
        Map<String, String> config = new HashMap<>();
        question.get("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().asText()));
        return config;
    }

    private static ConnectRecord<?> record(JsonNode told) {
        Schema keySchema = Wire.schema(told.get("key_schema"));
        Schema valueSchema = Wire.schema(told.get("value_schema"));
        Object key = Wire.value(told.get("key"));
        Object value = Wire.value(told.get("value"));
        Long timestamp = told.hasNonNull("timestamp") ? told.get("timestamp").asLong() : null;
        if (told.get("sink").asBoolean()) {
            return new SinkRecord(told.get("topic").asText(), told.get("partition").asInt(), keySchema, key, valueSchema, value,
                told.get("offset").asLong(), timestamp, TimestampType.CREATE_TIME, Wire.headers(told.get("headers")));
        }
        Integer partition = told.hasNonNull("partition") ? told.get("partition").asInt() : null;
        return new SourceRecord(null, null, told.get("topic").asText(), partition, keySchema, key, valueSchema, value,
            timestamp, Wire.headers(told.get("headers")));
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static JsonNode transform(JsonNode question) throws Exception {
        Transformation transformation = (Transformation) make(question);
        transformation.configure(config(question));
        ConnectRecord<?> record = transformation.apply(record(question.get("record")));
        if (record == null) {
            return MAPPER.nullNode();
        }
        ObjectNode told = MAPPER.createObjectNode();
        told.put("topic", record.topic());
        told.put("partition", record.kafkaPartition());
        told.set("key_schema", Wire.tell(record.keySchema()));
        told.set("key", Wire.tell(record.key()));
        told.set("value_schema", Wire.tell(record.valueSchema()));
        told.set("value", Wire.tell(record.value()));
        told.put("timestamp", record.timestamp());
        told.set("headers", Wire.tell(record.headers()));
        return told;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static JsonNode predicate(JsonNode question) throws Exception {
        Predicate predicate = (Predicate) make(question);
        predicate.configure(config(question));
        return MAPPER.getNodeFactory().booleanNode(predicate.test(record(question.get("record"))));
    }

    private static JsonNode write(JsonNode question) throws Exception {
        Object converter = make(question);
        Schema schema = Wire.schema(question.get("schema"));
        Object value = Wire.value(question.get("value"));
        byte[] data;
        if (converter instanceof Converter c) {
            c.configure(config(question), false);
            data = c.fromConnectData("t", schema, value);
        } else {
            data = ((HeaderConverter) converter).fromConnectHeader("t", "h", schema, value);
        }
        return data == null ? MAPPER.nullNode() : MAPPER.getNodeFactory().textNode(Base64.getEncoder().encodeToString(data));
    }

    private static JsonNode read(JsonNode question) throws Exception {
        Object converter = make(question);
        byte[] data = question.hasNonNull("data") ? Base64.getDecoder().decode(question.get("data").asText()) : null;
        SchemaAndValue read;
        if (converter instanceof Converter c) {
            c.configure(config(question), false);
            read = c.toConnectData("t", data);
        } else {
            read = ((HeaderConverter) converter).toConnectHeader("t", "h", data);
        }
        ObjectNode told = MAPPER.createObjectNode();
        told.set("schema", Wire.tell(read == null ? null : read.schema()));
        told.set("value", Wire.tell(read == null ? null : read.value()));
        return told;
    }
}
