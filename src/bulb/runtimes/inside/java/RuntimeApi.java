package bulb;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The Runtime API over one connection that is kept.
 *
 * <p>A plain socket, because the JDK's HTTP clients load hundreds of classes and a cold start waits for each of them.
 */
final class RuntimeApi {
    private static final String BASE = "/2018-06-01/runtime/";
    private static final int OK = 200;
    private static final int ACCEPTED = 202;
    private static final int TOO_LARGE = 413;

    private final String address;
    private Socket socket;
    private InputStream input;
    private OutputStream output;

    RuntimeApi(String address) {
        this.address = address;
    }

    /** One event. Header names are in lower case. */
    static final class Event {
        private final Map<String, String> headers;
        private final byte[] payload;

        Event(Map<String, String> headers, byte[] payload) {
            this.headers = headers;
            this.payload = payload;
        }

        /** The header's value, or null. */
        String header(String name) {
            return headers.get(name);
        }

        String requestId() {
            return headers.get("lambda-runtime-aws-request-id");
        }

        byte[] payload() {
            return payload;
        }
    }

    /** Waits for the next event, however long that takes. */
    Event next() throws IOException {
        send("GET", BASE + "invocation/next", null, null);
        Map<String, String> headers = new HashMap<>();
        int status = readHead(headers);
        byte[] body = readBody(headers);
        if (status != OK) {
            throw new IOException("the Runtime API answered " + status + " to next");
        }
        return new Event(headers, body);
    }

    void response(String requestId, byte[] payload) throws IOException {
        post("invocation/" + requestId + "/response", null, payload);
    }

    void error(String requestId, String type, byte[] document) throws IOException {
        post("invocation/" + requestId + "/error", type, document);
    }

    void initError(String type, byte[] document) throws IOException {
        post("init/error", type, document);
    }

    private void post(String path, String errorType, byte[] payload) throws IOException {
        send("POST", BASE + path, errorType, payload);
        Map<String, String> headers = new HashMap<>();
        int status = readHead(headers);
        readBody(headers);
        // An answer that was too large has been reported to the caller as such: the function may go on.
        if (status != ACCEPTED && status != TOO_LARGE) {
            throw new IOException("the Runtime API answered " + status + " to " + path);
        }
    }

    private void send(String method, String path, String errorType, byte[] body) throws IOException {
        connect();
        StringBuilder head = new StringBuilder(256);
        head.append(method).append(' ').append(path).append(" HTTP/1.1\r\nHost: ").append(address).append("\r\n");
        if (errorType != null) {
            head.append("Lambda-Runtime-Function-Error-Type: ").append(errorType).append("\r\n");
        }
        if (body != null) {
            head.append("Content-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        }
        byte[] start = head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1);
        if (body == null) {
            output.write(start);
        } else {
            byte[] whole = new byte[start.length + body.length];
            System.arraycopy(start, 0, whole, 0, start.length);
            System.arraycopy(body, 0, whole, start.length, body.length);
            output.write(whole);
        }
        output.flush();
    }

    private void connect() throws IOException {
        if (socket == null) {
            int colon = address.lastIndexOf(':');
            String host = address.substring(0, colon);
            int port = Integer.parseInt(address.substring(colon + 1));
            socket = new Socket();
            socket.setTcpNoDelay(true);
            socket.connect(new InetSocketAddress(host, port));
            input = new BufferedInputStream(socket.getInputStream(), 65_536);
            output = socket.getOutputStream();
        }
    }

    private int readHead(Map<String, String> headers) throws IOException {
        String status = readLine();
        String line;
        while (!(line = readLine()).isEmpty()) {
            int colon = line.indexOf(':');
            headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
        }
        return Integer.parseInt(status.split(" ", 3)[1]);
    }

    private byte[] readBody(Map<String, String> headers) throws IOException {
        if ("chunked".equalsIgnoreCase(headers.get("transfer-encoding"))) {
            return readChunks();
        }
        String length = headers.get("content-length");
        return readExactly(length == null ? 0 : Integer.parseInt(length));
    }

    private byte[] readChunks() throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        int size;
        while ((size = Integer.parseInt(readLine().split(";", 2)[0].trim(), 16)) > 0) {
            whole.write(readExactly(size));
            readLine();
        }
        while (!readLine().isEmpty()) {
            // Trailers say nothing to a runtime.
        }
        return whole.toByteArray();
    }

    private byte[] readExactly(int length) throws IOException {
        byte[] body = input.readNBytes(length);
        if (body.length < length) {
            throw new EOFException("the Runtime API closed the connection");
        }
        return body;
    }

    private String readLine() throws IOException {
        StringBuilder line = new StringBuilder(64);
        int next;
        while ((next = input.read()) != '\n') {
            if (next < 0) {
                throw new EOFException("the Runtime API closed the connection");
            }
            if (next != '\r') {
                line.append((char) next);
            }
        }
        return line.toString();
    }
}
