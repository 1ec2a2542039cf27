package bulb;

import java.nio.charset.StandardCharsets;

/**
 * The runtime: loads the function once, then asks for events and answers them, one at a time, until it is killed.
 *
 * <p>Everything it knows comes from the environment and the Runtime API (2018-06-01).
 */
public final class Main {
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        RuntimeApi api = new RuntimeApi(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler;
        try {
            handler = Handlers.load(System.getenv("_HANDLER"), Thread.currentThread().getContextClassLoader());
        } catch (Throwable failure) {
            api.initError(Failures.type(failure), Failures.document(Failures.unwrapped(failure)));
            System.exit(1);
            return;
        }
        while (true) {
            answer(api, handler, api.next());
        }
    }

    private static void answer(RuntimeApi api, Handler handler, RuntimeApi.Event event) throws Exception {
        String trace = event.header("lambda-runtime-trace-id");
        if (trace != null) {
            System.setProperty(TRACE_PROPERTY, trace);
        } else {
            System.clearProperty(TRACE_PROPERTY);
        }
        byte[] result;
        try {
            result = handler.handle(event);
        } catch (Throwable failure) {
            Throwable cause = Failures.unwrapped(failure);
            String report = Failures.trace(cause);
            byte[] document = Failures.document(cause);
            Output.log("ERROR", event.requestId(), report.getBytes(StandardCharsets.UTF_8));
            api.error(event.requestId(), Failures.type(cause), document);
            if (cause instanceof VirtualMachineError) {
                System.exit(1);
            }
            return;
        }
        api.response(event.requestId(), result);
    }
}
