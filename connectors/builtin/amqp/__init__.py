"""AMQP 0-9-1, as RabbitMQ speaks it: queues → topics, topics → exchanges."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("AmqpSource", "source", "source:AmqpSource", extra="amqp", needs=("pika",),
            also=("RabbitMQSource", "io.confluent.connect.rabbitmq.RabbitMQSourceConnector")),
    BuiltIn("AmqpSink", "sink", "sink:AmqpSink", extra="amqp", needs=("pika",),
            also=("RabbitMQSink", "io.confluent.connect.rabbitmq.sink.RabbitMQSinkConnector")),
)  # fmt: skip
