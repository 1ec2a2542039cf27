package bulb;

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.Map;

/** Record classes, through reflection on reflection: this runtime is also compiled where there are none (Java 11). */
final class Records {
    private Records() {}

    static boolean is(Class<?> type) {
        return type.getSuperclass() != null && "java.lang.Record".equals(type.getSuperclass().getName());
    }

    /** Calls the canonical constructor; members that are absent are null or zero. */
    static Object make(Class<?> type, Map<String, Object> members, Map<TypeVariable<?>, Type> bound)
            throws ReflectiveOperationException {
        Object[] components = components(type);
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            types[i] = (Class<?>) ask(components[i], "getType");
            Object value = members.get(Beans.folded((String) ask(components[i], "getName")));
            values[i] = Beans.convert(value, value == null ? types[i] : (Type) ask(components[i], "getGenericType"), bound);
        }
        Constructor<?> canonical = type.getDeclaredConstructor(types);
        canonical.setAccessible(true);
        return canonical.newInstance(values);
    }

    /** Reads every component into `members`. */
    static void read(Object record, Map<String, Object> members) throws ReflectiveOperationException {
        for (Object component : components(record.getClass())) {
            Method accessor = (Method) ask(component, "getAccessor");
            accessor.setAccessible(true);
            members.put((String) ask(component, "getName"), Beans.plain(accessor.invoke(record)));
        }
    }

    private static Object[] components(Class<?> type) throws ReflectiveOperationException {
        return (Object[]) Class.class.getMethod("getRecordComponents").invoke(type);
    }

    private static Object ask(Object component, String method) throws ReflectiveOperationException {
        return component.getClass().getMethod(method).invoke(component);
    }
}
