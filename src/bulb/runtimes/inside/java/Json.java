package bulb;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON to and from plain values: Map, List, String, Boolean, null and numbers.
 *
 * <p>Whole numbers become Integer, Long or BigInteger, the smallest that holds them; others Double. The functions'
 * libraries cannot be relied on, and may hold another version of whatever this runtime would bring.
 */
final class Json {
    private static final int DEEPEST = 500;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /** Not JSON, and where. */
    static final class SyntaxException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        SyntaxException(String message) {
            super(message);
        }
    }

    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.skipSpace();
        if (json.at < text.length()) {
            throw json.unexpected();
        }
        return value;
    }

    private Object value() {
        skipSpace();
        if (at >= text.length()) {
            throw new SyntaxException("the document ends early");
        }
        switch (text.charAt(at)) {
            case '{':
                return nested(true);
            case '[':
                return nested(false);
            case '"':
                return string();
            case 't':
                return literal("true", Boolean.TRUE);
            case 'f':
                return literal("false", Boolean.FALSE);
            case 'n':
                return literal("null", null);
            default:
                return number();
        }
    }

    private Object nested(boolean isObject) {
        if (++depth > DEEPEST) {
            throw new SyntaxException("the document is nested more than " + DEEPEST + " deep");
        }
        at++;
        Object nested = isObject ? object() : array();
        depth--;
        return nested;
    }

    private Map<String, Object> object() {
        Map<String, Object> members = new LinkedHashMap<>();
        if (skips('}')) {
            return members;
        }
        do {
            skipSpace();
            String name = string();
            expect(':');
            members.put(name, value());
        } while (skips(','));
        expect('}');
        return members;
    }

    private List<Object> array() {
        List<Object> items = new ArrayList<>();
        if (skips(']')) {
            return items;
        }
        do {
            items.add(value());
        } while (skips(','));
        expect(']');
        return items;
    }

    private String string() {
        if (at >= text.length() || text.charAt(at) != '"') {
            throw unexpected();
        }
        int end = ++at;
        while (end < text.length() && text.charAt(end) != '"' && text.charAt(end) != '\\') {
            end++;
        }
        if (end < text.length() && text.charAt(end) == '"') {
            String plain = text.substring(at, end);
            at = end + 1;
            return plain;
        }
        return escapedString();
    }

    private String escapedString() {
        StringBuilder string = new StringBuilder();
        while (at < text.length()) {
            char next = text.charAt(at++);
            if (next == '"') {
                return string.toString();
            }
            string.append(next == '\\' ? escape() : next);
        }
        throw new SyntaxException("a string does not end");
    }

    private char escape() {
        if (at >= text.length()) {
            throw new SyntaxException("a string does not end");
        }
        char code = text.charAt(at++);
        int known = "\"\\/bfnrt".indexOf(code);
        if (known >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(known);
        }
        if (code != 'u' || at + 4 > text.length()) {
            throw unexpected();
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    private Object literal(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw unexpected();
        }
        at += word.length();
        return value;
    }

    private Object number() {
        int start = at;
        boolean whole = true;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            whole &= ".eE".indexOf(text.charAt(at)) < 0;
            at++;
        }
        String digits = text.substring(start, at);
        try {
            return whole ? narrowest(new BigInteger(digits)) : (Object) Double.valueOf(digits);
        } catch (NumberFormatException notOne) {
            at = start;
            throw unexpected();
        }
    }

    private static Object narrowest(BigInteger number) {
        if (number.bitLength() < Integer.SIZE) {
            return number.intValue();
        }
        return number.bitLength() < Long.SIZE ? (Object) number.longValue() : number;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean skips(char wanted) {
        skipSpace();
        boolean found = at < text.length() && text.charAt(at) == wanted;
        at += found ? 1 : 0;
        return found;
    }

    private void expect(char wanted) {
        if (!skips(wanted)) {
            throw unexpected();
        }
    }

    private SyntaxException unexpected() {
        return new SyntaxException(at < text.length()
                ? "unexpected '" + text.charAt(at) + "' at offset " + at : "the document ends early");
    }

    /** The JSON text of plain values; the same types as `parse` gives, and any Number or CharSequence. */
    static String write(Object value) {
        StringBuilder text = new StringBuilder(128);
        write(value, text);
        return text.toString();
    }

    private static void write(Object value, StringBuilder text) {
        if (value == null || value instanceof Boolean) {
            text.append(value);
        } else if (value instanceof Map) {
            writeObject((Map<?, ?>) value, text);
        } else if (value instanceof List) {
            writeArray((List<?>) value, text);
        } else if (value instanceof BigDecimal) {
            text.append(((BigDecimal) value).toString());
        } else if (value instanceof Number) {
            writeNumber((Number) value, text);
        } else {
            writeString(value.toString(), text);
        }
    }

    private static void writeObject(Map<?, ?> members, StringBuilder text) {
        char separator = '{';
        for (Map.Entry<?, ?> member : members.entrySet()) {
            text.append(separator);
            writeString(String.valueOf(member.getKey()), text);
            text.append(':');
            write(member.getValue(), text);
            separator = ',';
        }
        text.append(separator == '{' ? "{}" : "}");
    }

    private static void writeArray(List<?> items, StringBuilder text) {
        char separator = '[';
        for (Object item : items) {
            text.append(separator);
            write(item, text);
            separator = ',';
        }
        text.append(separator == '[' ? "[]" : "]");
    }

    /** NaN and the infinities are no JSON numbers: they travel as strings, as the managed runtime sends them. */
    private static void writeNumber(Number number, StringBuilder text) {
        boolean finite = !(number instanceof Double || number instanceof Float) || Double.isFinite(number.doubleValue());
        if (finite) {
            text.append(number);
        } else {
            writeString(number.toString(), text);
        }
    }

    private static void writeString(String string, StringBuilder text) {
        text.append('"');
        for (int i = 0; i < string.length(); i++) {
            char next = string.charAt(i);
            int known = "\"\\\b\f\n\r\t".indexOf(next);
            if (known >= 0) {
                text.append('\\').append("\"\\bfnrt".charAt(known));
            } else if (next < ' ') {
                text.append(String.format("\\u%04x", (int) next));
            } else {
                text.append(next);
            }
        }
        text.append('"');
    }
}
