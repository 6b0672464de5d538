import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Reads the log of a slot by Debezium's engine, up to the row with the id -1, and does nothing with it but count.
 *
 * <p>Arguments: the server's port, the slot, its publication, and a file for the number of events and the seconds from the first to the
 * last.
 */
public final class Reader {
    private static final int LAST_ID = -1;

    private final CountDownLatch end = new CountDownLatch(1);
    private long events;
    private long first;
    private long last;
    private String failure;

    public static void main(String[] arguments) throws Exception {
        new Reader().read(arguments[0], arguments[1], arguments[2], Path.of(arguments[3]));
    }

    private void read(String port, String slot, String publication, Path counts) throws Exception {
        Properties settings = new Properties();
        settings.setProperty("name", "reader");
        settings.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        settings.setProperty("topic.prefix", "reader");
        settings.setProperty("database.hostname", "127.0.0.1");
        settings.setProperty("database.port", port);
        settings.setProperty("database.user", "postgres");
        settings.setProperty("database.dbname", "postgres");
        settings.setProperty("plugin.name", "pgoutput");
        settings.setProperty("slot.name", slot);
        settings.setProperty("publication.name", publication);
        settings.setProperty("publication.autocreate.mode", "disabled");
        settings.setProperty("table.include.list", "sbtest.sbtest1");
        settings.setProperty("snapshot.mode", "no_data");
        DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine =
            DebeziumEngine.create(Connect.class)
                .using(settings)
                .using((success, message, error) -> {
                    if (!success) {
                        failure = message + ": " + error;
                    }
                    end.countDown();
                })
                .notifying(this::take)
                .build();
        Thread runner = new Thread(engine, "engine");
        runner.start();
        end.await();
        if (failure != null) {
            System.err.println(failure);
            System.exit(1);
        }
        Files.writeString(counts, String.format(Locale.ROOT, "%d %.3f%n", events, (last - first) / 1e9));
        // Without the seconds that an orderly end takes.
        Runtime.getRuntime().halt(0);
    }

    private void take(
            List<ChangeEvent<SourceRecord, SourceRecord>> batch,
            DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer)
            throws InterruptedException {
        boolean ends = false;
        for (ChangeEvent<SourceRecord, SourceRecord> event : batch) {
            if (events == 0) {
                first = System.nanoTime();
            }
            // A deleted row is told twice: as an event, and for Kafka as one without a value. Messages in the log are no rows.
            if (event.value().value() instanceof Struct value && value.schema().field("after") != null) {
                events++;
                Struct after = value.getStruct("after");
                ends |= after != null && after.getInt32("id") == LAST_ID;
            }
            committer.markProcessed(event);
        }
        committer.markBatchFinished();
        if (ends) {
            last = System.nanoTime();
            end.countDown();
        }
    }
}
