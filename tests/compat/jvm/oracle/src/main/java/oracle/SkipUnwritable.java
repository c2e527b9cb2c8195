package oracle;

import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.streams.errors.ErrorHandlerContext;
import org.apache.kafka.streams.errors.ProductionExceptionHandler;

/** Drops records that cannot be written. */
public final class SkipUnwritable implements ProductionExceptionHandler {
    @Override
    @SuppressWarnings("rawtypes")
    public Response handleSerializationError(
        final ErrorHandlerContext context, final ProducerRecord record, final Exception exception,
        final SerializationExceptionOrigin origin
    ) {
        return Response.resume();
    }

    @Override
    public void configure(final Map<String, ?> configs) { }
}
