package bulb;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;

/**
 * From `package.Class` or `package.Class::method` to something that takes events.
 *
 * <p>The interfaces are the function's own copies (it packs aws-lambda-java-core), so they are known by name only.
 */
final class Handlers {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";
    private static final String CONTEXT = PACKAGE + "Context";
    private static final String REQUEST_HANDLER = PACKAGE + "RequestHandler";
    private static final String STREAM_HANDLER = PACKAGE + "RequestStreamHandler";

    private Handlers() {}

    /** Loads and constructs the handler's class: its static code runs here. */
    static Handler load(String name, ClassLoader loader) throws Throwable {
        String[] parts = name.split("::", 2);
        Class<?> type;
        try {
            type = Class.forName(parts[0], true, loader);
        } catch (ClassNotFoundException missing) {
            throw new ClassNotFoundException("Class not found: " + parts[0], missing);
        }
        Map<TypeVariable<?>, Type> bound = new HashMap<>();
        collectBounds(type, bound);
        Method method = parts.length == 2 ? named(type, parts[1]) : byInterface(type);
        Object target = Modifier.isStatic(method.getModifiers()) ? null : construct(type);
        method.setAccessible(true);
        boolean streams = takesStreams(method);
        Contexts contexts = new Contexts(loader);
        return event -> streams
                ? stream(method, target, contexts, event) : call(method, target, contexts, event, bound);
    }

    private static Object construct(Class<?> type) throws Throwable {
        try {
            Constructor<?> constructor = type.getConstructor();
            return constructor.newInstance();
        } catch (NoSuchMethodException missing) {
            throw new NoSuchMethodException("Class " + type.getName() + " has no public zero-argument constructor");
        }
    }

    private static Method byInterface(Class<?> type) throws NoSuchMethodException {
        if (implementsNamed(type, STREAM_HANDLER) || implementsNamed(type, REQUEST_HANDLER)) {
            return named(type, "handleRequest");
        }
        throw new NoSuchMethodException("Class " + type.getName() + " does not implement an appropriate handler "
                + "interface.  Please implement " + REQUEST_HANDLER + " or " + STREAM_HANDLER
                + ", or name a method: " + type.getName() + "::method");
    }

    private static boolean implementsNamed(Class<?> type, String name) {
        for (Class<?> each = type; each != null; each = each.getSuperclass()) {
            for (Class<?> one : each.getInterfaces()) {
                if (one.getName().equals(name) || implementsNamed(one, name)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Of several methods of the name: one with a Context before one without, more parameters before fewer. */
    private static Method named(Class<?> type, String name) throws NoSuchMethodException {
        return Arrays.stream(type.getMethods())
                .filter(method -> method.getName().equals(name) && !method.isBridge() && fits(method))
                .max(Comparator.comparing(Handlers::hasContext).thenComparing(Method::getParameterCount))
                .orElseThrow(() -> new NoSuchMethodException("No public method named " + name
                        + " with appropriate method signature found on class " + type.getName()));
    }

    private static boolean fits(Method method) {
        int others = method.getParameterCount() - (hasContext(method) ? 1 : 0);
        return others <= 1 || takesStreams(method);
    }

    private static boolean hasContext(Method method) {
        Class<?>[] types = method.getParameterTypes();
        return types.length > 0 && types[types.length - 1].getName().equals(CONTEXT);
    }

    private static boolean takesStreams(Method method) {
        Class<?>[] types = method.getParameterTypes();
        int others = types.length - (hasContext(method) ? 1 : 0);
        return others == 2 && types[0] == InputStream.class && types[1] == OutputStream.class;
    }

    private static byte[] stream(Method method, Object target, Contexts contexts, RuntimeApi.Event event) throws Throwable {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        InputStream input = new ByteArrayInputStream(event.payload());
        if (hasContext(method)) {
            method.invoke(target, input, output, contexts.of(event));
        } else {
            method.invoke(target, input, output);
        }
        return output.toByteArray();
    }

    private static byte[] call(Method method, Object target, Contexts contexts, RuntimeApi.Event event,
            Map<TypeVariable<?>, Type> bound) throws Throwable {
        boolean withContext = hasContext(method);
        Object[] arguments = new Object[method.getParameterCount()];
        if (withContext) {
            arguments[arguments.length - 1] = contexts.of(event);
        }
        if (arguments.length > (withContext ? 1 : 0)) {
            arguments[0] = input(event, method.getGenericParameterTypes()[0], bound);
        }
        Object result = method.invoke(target, arguments);
        try {
            return Json.write(Beans.plain(result)).getBytes(StandardCharsets.UTF_8);
        } catch (ReflectiveOperationException | RuntimeException failure) {
            throw new RuntimeException("An error occurred during JSON serialization of response",
                    Failures.unwrapped(failure));
        }
    }

    private static Object input(RuntimeApi.Event event, Type type, Map<TypeVariable<?>, Type> bound) {
        if (type == InputStream.class) {
            return new ByteArrayInputStream(event.payload());
        }
        try {
            return Beans.convert(Json.parse(new String(event.payload(), StandardCharsets.UTF_8)), type, bound);
        } catch (ReflectiveOperationException | RuntimeException failure) {
            throw new RuntimeException("An error occurred during JSON parsing", Failures.unwrapped(failure));
        }
    }

    /** What the type variables of the class's ancestors mean: `RequestHandler<Order, Receipt>` tells I and O. */
    private static void collectBounds(Type type, Map<TypeVariable<?>, Type> bound) {
        if (type == null) {
            return;
        }
        Class<?> raw;
        if (type instanceof ParameterizedType) {
            ParameterizedType generic = (ParameterizedType) type;
            raw = (Class<?>) generic.getRawType();
            for (int i = 0; i < raw.getTypeParameters().length; i++) {
                bound.put(raw.getTypeParameters()[i], generic.getActualTypeArguments()[i]);
            }
        } else {
            raw = (Class<?>) type;
        }
        collectBounds(raw.getGenericSuperclass(), bound);
        for (Type one : raw.getGenericInterfaces()) {
            collectBounds(one, bound);
        }
    }
}
