package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** Reads a scenario a line and writes an answer a line, in the same order. */
public final class Main {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Main() { }

    /** The argument is a directory for the state of stores. */
    public static void main(final String[] arguments) throws IOException, InterruptedException {
        final Path scratch = Path.of(arguments[0]);
        final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(new PrintStream(OutputStream.nullOutputStream())); // for what topologies print
        // Reading never waits for writing, or the other side could do neither.
        final ExecutorService pool = Executors.newSingleThreadExecutor();
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                final String read = line;
                pool.execute(() -> answer(read, scratch, out));
            }
        }
        pool.shutdown();
        pool.awaitTermination(1, TimeUnit.HOURS);
        out.flush();
    }

    private static void answer(final String line, final Path scratch, final PrintStream out) {
        try {
            final JsonNode scenario = JSON.readTree(line);
            final String told = JSON.writeValueAsString(Runner.run(scenario, scratch));
            out.println(told);
            out.flush();
        } catch (final IOException | RuntimeException | Error error) {
            error.printStackTrace();
            System.exit(1);
        }
    }
}
