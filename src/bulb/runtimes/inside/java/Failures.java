package bulb;

import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What becomes of a Throwable: the caller's document, the log's text, the header's type. */
final class Failures {
    private static final int DEEPEST_CAUSE = 20;

    private Failures() {}

    /** What the function itself threw, without the reflection around it. */
    static Throwable unwrapped(Throwable failure) {
        Throwable inner = failure;
        while (inner instanceof InvocationTargetException && inner.getCause() != null) {
            inner = inner.getCause();
        }
        return inner;
    }

    /** `{"errorMessage", "errorType", "stackTrace", "cause"}`; frames of this runtime are left out. */
    static byte[] document(Throwable failure) {
        return Json.write(described(failure, 0)).getBytes(StandardCharsets.UTF_8);
    }

    /** The category the platform records. */
    static String type(Throwable failure) {
        Throwable inner = unwrapped(failure);
        if (inner instanceof ClassNotFoundException || inner instanceof NoClassDefFoundError) {
            return "Runtime.ClassNotFound";
        }
        if (inner instanceof NoSuchMethodException) {
            return "Runtime.NoSuchMethod";
        }
        if (inner instanceof OutOfMemoryError) {
            return "Runtime.OutOfMemory";
        }
        String name = inner.getClass().getSimpleName();
        return name.matches("[A-Z][a-zA-Z]+") ? "Function." + name : "Function.Unknown";
    }

    /** The stack trace as the log shows it, without the frames of this runtime. */
    static String trace(Throwable failure) {
        StringBuilder text = new StringBuilder();
        Throwable each = failure;
        for (int depth = 0; each != null && depth < DEEPEST_CAUSE; depth++) {
            text.append(depth == 0 ? "" : "Caused by: ").append(each).append('\n');
            for (StackTraceElement frame : own(each.getStackTrace())) {
                text.append("\tat ").append(frame).append('\n');
            }
            each = each.getCause();
        }
        return text.toString();
    }

    private static Map<String, Object> described(Throwable failure, int depth) {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("errorMessage", failure.getMessage());
        described.put("errorType", failure.getClass().getName());
        List<Object> frames = new ArrayList<>();
        for (StackTraceElement frame : own(failure.getStackTrace())) {
            frames.add(frame.toString());
        }
        described.put("stackTrace", frames);
        if (failure.getCause() != null && depth < DEEPEST_CAUSE) {
            described.put("cause", described(failure.getCause(), depth + 1));
        }
        return described;
    }

    private static List<StackTraceElement> own(StackTraceElement[] frames) {
        List<StackTraceElement> kept = new ArrayList<>();
        for (StackTraceElement frame : frames) {
            if (frame.getClassName().startsWith("bulb.")) {
                break; // below are this runtime and the reflection it calls through
            }
            kept.add(frame);
        }
        while (!kept.isEmpty() && isReflection(kept.get(kept.size() - 1).getClassName())) {
            kept.remove(kept.size() - 1);
        }
        return kept;
    }

    private static boolean isReflection(String className) {
        return className.startsWith("java.lang.reflect.") || className.startsWith("jdk.internal.reflect.")
                || className.startsWith("java.lang.invoke.");
    }
}
