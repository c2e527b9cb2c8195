"""MQTT: topics of a broker of things → Kafka's, and back."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("MqttSource", "source", "source:MqttSource", extra="mqtt", needs=("paho.mqtt",),
            also=("io.confluent.connect.mqtt.MqttSourceConnector",)),
    BuiltIn("MqttSink", "sink", "sink:MqttSink", extra="mqtt", needs=("paho.mqtt",),
            also=("io.confluent.connect.mqtt.MqttSinkConnector",)),
)  # fmt: skip
