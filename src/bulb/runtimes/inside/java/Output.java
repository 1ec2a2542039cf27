package bulb;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/**
 * Log records: one record is one log event, however many lines it has.
 *
 * <p>Where the platform opened a framed channel (`_LAMBDA_TELEMETRY_LOG_FD`) each record travels as a frame: type,
 * length, microseconds, message, big-endian. Otherwise it is written to standard output.
 */
final class Output {
    private static final int TEXT = 0xa55a0003;
    private static final int JSON = 0xa55a0002;
    private static final int HEADER = 16;
    private static final boolean AS_JSON = "JSON".equals(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    private static final OutputStream CHANNEL = channel();

    private Output() {}

    /** A record of the runtime itself, or of a function's logger with a level. */
    static void log(String level, String requestId, byte[] message) {
        if (!AS_JSON) {
            record(message);
            return;
        }
        java.util.Map<String, Object> line = new java.util.LinkedHashMap<>();
        line.put("timestamp", Instant.now().toString());
        line.put("level", level);
        line.put("message", new String(message, StandardCharsets.UTF_8));
        if (requestId != null) {
            line.put("AWSRequestId", requestId);
        }
        write(JSON, Json.write(line).getBytes(StandardCharsets.UTF_8));
    }

    /** A text record, as the function's LambdaLogger gives it. */
    static void record(byte[] message) {
        write(TEXT, message);
    }

    private static synchronized void write(int type, byte[] message) {
        try {
            if (CHANNEL == null) {
                System.out.write(message);
                if (message.length == 0 || message[message.length - 1] != '\n') {
                    System.out.write('\n');
                }
                System.out.flush();
                return;
            }
            Instant now = Instant.now();
            long micros = now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
            ByteBuffer frame = ByteBuffer.allocate(HEADER + message.length);
            CHANNEL.write(frame.putInt(type).putInt(message.length).putLong(micros).put(message).array());
        } catch (IOException nobodyReads) {
            // The platform is gone; so will this process be.
        }
    }

    private static OutputStream channel() {
        String descriptor = System.getenv("_LAMBDA_TELEMETRY_LOG_FD");
        if (descriptor == null) {
            return null;
        }
        try {
            // It is the other end of a pipe nobody here may open anew, so it must be taken as it is (--add-opens).
            Constructor<FileDescriptor> open = FileDescriptor.class.getDeclaredConstructor(int.class);
            open.setAccessible(true);
            return new FileOutputStream(open.newInstance(Integer.parseInt(descriptor)));
        } catch (ReflectiveOperationException | RuntimeException notThere) {
            return null;
        }
    }
}
