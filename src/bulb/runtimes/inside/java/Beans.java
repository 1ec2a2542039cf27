package bulb;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Plain JSON values to the types a handler declares, and back: beans by setters, getters and public fields, records,
 * enums, collections, maps, arrays, dates.
 *
 * <p>Names match whatever the case of their first letters, because events of AWS services spell `Records` what a bean
 * calls `records`. Members nobody asked for are left out.
 */
final class Beans {
    private Beans() {}

    /** The event does not fit what the handler takes. */
    static final class MismatchException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        MismatchException(String message) {
            super(message);
        }
    }

    /** `value` as a `type`. `bound` tells what the type variables of a generic class mean. */
    static Object convert(Object value, Type type, Map<TypeVariable<?>, Type> bound) throws ReflectiveOperationException {
        if (type instanceof TypeVariable) {
            return convert(value, bound.getOrDefault((TypeVariable<?>) type, Object.class), bound);
        }
        if (type instanceof WildcardType) {
            return convert(value, ((WildcardType) type).getUpperBounds()[0], bound);
        }
        if (type instanceof GenericArrayType) {
            return array(value, ((GenericArrayType) type).getGenericComponentType(), bound);
        }
        Type[] arguments = {};
        Class<?> raw;
        if (type instanceof ParameterizedType) {
            raw = (Class<?>) ((ParameterizedType) type).getRawType();
            arguments = ((ParameterizedType) type).getActualTypeArguments();
        } else {
            raw = (Class<?>) type;
        }
        return ofClass(value, raw, arguments, bound);
    }

    private static Object ofClass(Object value, Class<?> raw, Type[] arguments, Map<TypeVariable<?>, Type> bound)
            throws ReflectiveOperationException {
        if (value == null) {
            return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : null;
        }
        if (raw == Optional.class) {
            return Optional.ofNullable(convert(value, argument(arguments, 0), bound));
        }
        if (Collection.class.isAssignableFrom(raw)) {
            return collection(value, raw, argument(arguments, 0), bound);
        }
        if (Map.class.isAssignableFrom(raw)) {
            return map(value, raw, argument(arguments, 0), argument(arguments, 1), bound);
        }
        if (raw.isArray() && raw != byte[].class) {
            return array(value, raw.getComponentType(), bound);
        }
        Object simple = simple(value, raw);
        return simple != null ? simple : bean(value, raw, arguments, bound);
    }

    private static Type argument(Type[] arguments, int index) {
        return index < arguments.length ? arguments[index] : Object.class;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object simple(Object value, Class<?> raw) {
        if (raw == Object.class || raw == CharSequence.class && value instanceof String) {
            return value;
        }
        if (raw == String.class) {
            if (value instanceof Map || value instanceof List) {
                throw mismatch(value, raw);
            }
            return value.toString();
        }
        if (raw == boolean.class || raw == Boolean.class) {
            return value instanceof Boolean ? value : Boolean.valueOf(text(value, raw));
        }
        if (raw == char.class || raw == Character.class) {
            String text = text(value, raw);
            return text.isEmpty() ? '\0' : text.charAt(0);
        }
        if (raw.isEnum()) {
            return Enum.valueOf((Class) raw, text(value, raw));
        }
        if (raw == byte[].class) {
            return Base64.getDecoder().decode(text(value, raw));
        }
        if (raw == ByteBuffer.class) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text(value, raw)));
        }
        if (raw == Date.class) {
            return Date.from(instant(value));
        }
        if (raw == Instant.class) {
            return instant(value);
        }
        return raw.isPrimitive() || Number.class.isAssignableFrom(raw) ? number(value, raw) : null;
    }

    private static String text(Object value, Class<?> raw) {
        if (value instanceof Map || value instanceof List) {
            throw mismatch(value, raw);
        }
        return value.toString();
    }

    private static Instant instant(Object value) {
        return value instanceof Number ? Instant.ofEpochMilli(((Number) value).longValue())
                : java.time.OffsetDateTime.parse(text(value, Instant.class)).toInstant();
    }

    private static Object number(Object value, Class<?> raw) {
        if (value instanceof Map || value instanceof List || value instanceof Boolean) {
            throw mismatch(value, raw);
        }
        try {
            BigDecimal number = new BigDecimal(value.toString());
            if (raw == int.class || raw == Integer.class) {
                return number.intValue();
            } else if (raw == long.class || raw == Long.class) {
                return number.longValue();
            } else if (raw == double.class || raw == Double.class) {
                return number.doubleValue();
            } else if (raw == float.class || raw == Float.class) {
                return number.floatValue();
            } else if (raw == short.class || raw == Short.class) {
                return number.shortValue();
            } else if (raw == byte.class || raw == Byte.class) {
                return number.byteValue();
            } else if (raw == BigInteger.class) {
                return number.toBigInteger();
            }
            return raw == Number.class && value instanceof Number ? value : number;
        } catch (NumberFormatException notOne) {
            throw mismatch(value, raw);
        }
    }

    private static Object collection(Object value, Class<?> raw, Type item, Map<TypeVariable<?>, Type> bound)
            throws ReflectiveOperationException {
        if (!(value instanceof List)) {
            throw mismatch(value, raw);
        }
        Collection<Object> items = Set.class.isAssignableFrom(raw) ? new LinkedHashSet<>() : new ArrayList<>();
        if (!raw.isInstance(items)) {
            items = instance(raw);
        }
        for (Object each : (List<?>) value) {
            items.add(convert(each, item, bound));
        }
        return items;
    }

    private static Object map(Object value, Class<?> raw, Type key, Type item, Map<TypeVariable<?>, Type> bound)
            throws ReflectiveOperationException {
        if (!(value instanceof Map)) {
            throw mismatch(value, raw);
        }
        Map<Object, Object> members = new LinkedHashMap<>();
        if (!raw.isInstance(members)) {
            members = instance(raw);
        }
        for (Map.Entry<?, ?> each : ((Map<?, ?>) value).entrySet()) {
            members.put(convert(each.getKey(), key, bound), convert(each.getValue(), item, bound));
        }
        return members;
    }

    @SuppressWarnings("unchecked")
    private static <T> T instance(Class<?> raw) throws ReflectiveOperationException {
        Constructor<?> constructor = raw.getDeclaredConstructor();
        constructor.setAccessible(true);
        return (T) constructor.newInstance();
    }

    private static Object array(Object value, Type component, Map<TypeVariable<?>, Type> bound)
            throws ReflectiveOperationException {
        if (!(value instanceof List)) {
            throw mismatch(value, Object[].class);
        }
        List<?> items = (List<?>) value;
        Class<?> raw = component instanceof Class ? (Class<?>) component : Object.class;
        Object array = Array.newInstance(raw, items.size());
        for (int i = 0; i < items.size(); i++) {
            Array.set(array, i, convert(items.get(i), component, bound));
        }
        return array;
    }

    private static Object bean(Object value, Class<?> raw, Type[] arguments, Map<TypeVariable<?>, Type> outer)
            throws ReflectiveOperationException {
        if (!(value instanceof Map)) {
            throw mismatch(value, raw);
        }
        Map<TypeVariable<?>, Type> bound = new HashMap<>(outer);
        for (int i = 0; i < arguments.length; i++) {
            bound.put(raw.getTypeParameters()[i], arguments[i]);
        }
        Map<String, Object> members = new HashMap<>();
        for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
            members.put(folded(member.getKey().toString()), member.getValue());
        }
        if (Records.is(raw)) {
            return Records.make(raw, members, bound);
        }
        Object bean = instance(raw);
        for (Field field : raw.getFields()) {
            String name = folded(field.getName());
            if (members.containsKey(name) && (field.getModifiers() & (Modifier.STATIC | Modifier.FINAL)) == 0) {
                field.set(bean, convert(members.get(name), field.getGenericType(), bound));
            }
        }
        for (Method method : raw.getMethods()) {
            if (method.getName().startsWith("set") && method.getName().length() > 3 && method.getParameterCount() == 1) {
                String name = folded(method.getName().substring(3));
                if (members.containsKey(name)) {
                    method.setAccessible(true);
                    method.invoke(bean, convert(members.get(name), method.getGenericParameterTypes()[0], bound));
                }
            }
        }
        return bean;
    }

    /** A property's name whatever the case it is written in. */
    static String folded(String name) {
        return name.toLowerCase(Locale.ROOT);
    }

    private static MismatchException mismatch(Object value, Class<?> raw) {
        String kind = value instanceof Map ? "an object" : value instanceof List ? "an array" : "the value";
        return new MismatchException("Cannot deserialize " + raw.getTypeName() + " from " + kind
                + (value instanceof Map || value instanceof List ? "" : " " + Json.write(value)));
    }

    /** What a handler returned as plain JSON values. */
    static Object plain(Object value) throws ReflectiveOperationException {
        if (value == null || value instanceof Boolean || value instanceof Number || value instanceof String) {
            return value;
        }
        if (value instanceof Map) {
            Map<String, Object> members = new LinkedHashMap<>();
            for (Map.Entry<?, ?> each : ((Map<?, ?>) value).entrySet()) {
                members.put(String.valueOf(each.getKey()), plain(each.getValue()));
            }
            return members;
        }
        if (value instanceof Collection) {
            List<Object> items = new ArrayList<>();
            for (Object each : (Collection<?>) value) {
                items.add(plain(each));
            }
            return items;
        }
        if (value instanceof Optional) {
            return plain(((Optional<?>) value).orElse(null));
        }
        if (value instanceof byte[]) {
            return Base64.getEncoder().encodeToString((byte[]) value);
        }
        if (value instanceof ByteBuffer) {
            ByteBuffer copy = ((ByteBuffer) value).duplicate();
            byte[] bytes = new byte[copy.remaining()];
            copy.get(bytes);
            return Base64.getEncoder().encodeToString(bytes);
        }
        if (value instanceof Date) {
            return ((Date) value).getTime();
        }
        if (value.getClass().isArray()) {
            List<Object> items = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++) {
                items.add(plain(Array.get(value, i)));
            }
            return items;
        }
        if (value instanceof Enum) {
            return ((Enum<?>) value).name();
        }
        boolean isJdk = value.getClass().getName().startsWith("java.");
        return isJdk || value instanceof CharSequence ? value.toString() : members(value);
    }

    private static Map<String, Object> members(Object bean) throws ReflectiveOperationException {
        Map<String, Object> members = new LinkedHashMap<>();
        if (Records.is(bean.getClass())) {
            Records.read(bean, members);
            return members;
        }
        Map<String, Object> found = new TreeMap<>();
        for (Field field : bean.getClass().getFields()) {
            if (!Modifier.isStatic(field.getModifiers())) {
                found.put(field.getName(), plain(field.get(bean)));
            }
        }
        for (Method method : bean.getClass().getMethods()) {
            String name = property(method);
            if (name != null) {
                method.setAccessible(true);
                found.put(name, plain(method.invoke(bean)));
            }
        }
        // In the order the fields are declared; reflection gives methods in none.
        for (Field field : bean.getClass().getDeclaredFields()) {
            if (found.containsKey(field.getName())) {
                members.put(field.getName(), found.remove(field.getName()));
            }
        }
        members.putAll(found);
        return members;
    }

    private static String property(Method method) {
        boolean is = method.getName().startsWith("is") && method.getReturnType() == boolean.class;
        int prefix = is ? 2 : method.getName().startsWith("get") ? 3 : 0;
        if (prefix == 0 || method.getName().length() == prefix || method.getParameterCount() > 0
                || method.getDeclaringClass() == Object.class || Modifier.isStatic(method.getModifiers())
                || method.getReturnType() == void.class) {
            return null;
        }
        return decapitalized(method.getName().substring(prefix));
    }

    /** All leading capitals are lowered, as the managed runtime's mapper does: `getURL` is `url`. */
    private static String decapitalized(String name) {
        int end = 0;
        while (end < name.length() && Character.isUpperCase(name.charAt(end))) {
            end++;
        }
        return name.substring(0, end).toLowerCase(Locale.ROOT) + name.substring(end);
    }
}
