package bulb;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Makes the function's Context, of the interfaces that the function itself brought. */
final class Contexts {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    private final ClassLoader loader;

    Contexts(ClassLoader loader) {
        this.loader = loader;
    }

    /** The context of one event. */
    Object of(RuntimeApi.Event event) throws ClassNotFoundException {
        long deadline = Long.parseLong(event.header("lambda-runtime-deadline-ms"));
        return proxy("Context", (method, arguments) -> {
            switch (method.getName()) {
                case "getAwsRequestId":
                    return event.requestId();
                case "getLogGroupName":
                    return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
                case "getLogStreamName":
                    return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
                case "getFunctionName":
                    return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
                case "getFunctionVersion":
                    return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
                case "getInvokedFunctionArn":
                    return event.header("lambda-runtime-invoked-function-arn");
                case "getMemoryLimitInMB":
                    return Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
                case "getRemainingTimeInMillis":
                    return (int) Math.max(0, deadline - System.currentTimeMillis());
                case "getXrayTraceId":
                    return event.header("lambda-runtime-trace-id");
                case "getTenantId":
                    return event.header("lambda-runtime-aws-tenant-id");
                case "getLogger":
                    return logger(method.getReturnType(), event.requestId());
                case "getClientContext":
                    return clientContext(event.header("lambda-runtime-client-context"));
                case "getIdentity":
                    return identity(event.header("lambda-runtime-cognito-identity"));
                default:
                    return null;
            }
        });
    }

    /** `log(String)`, `log(byte[])`, and both with a LogLevel. */
    private Object logger(Class<?> type, String requestId) {
        return proxy(type, (method, arguments) -> {
            if (method.getName().equals("log")) {
                byte[] message = arguments[0] instanceof byte[] ? (byte[]) arguments[0]
                        : String.valueOf(arguments[0]).getBytes(StandardCharsets.UTF_8);
                Output.log(arguments.length > 1 ? String.valueOf(arguments[1]) : "INFO", requestId, message);
            }
            return null;
        });
    }

    private Object clientContext(String header) throws ClassNotFoundException {
        if (header == null) {
            return null;
        }
        Map<?, ?> members = (Map<?, ?>) Json.parse(header);
        return proxy("ClientContext", (method, arguments) -> {
            switch (method.getName()) {
                case "getCustom":
                    return members.get("custom");
                case "getEnvironment":
                    return members.get("env");
                case "getClient":
                    return client((Map<?, ?>) members.get("client"));
                default:
                    return null;
            }
        });
    }

    private Object client(Map<?, ?> members) throws ClassNotFoundException {
        return members == null ? null : proxy("Client", (method, arguments) -> {
            switch (method.getName()) {
                case "getInstallationId":
                    return members.get("installation_id");
                case "getAppTitle":
                    return members.get("app_title");
                case "getAppVersionName":
                    return members.get("app_version_name");
                case "getAppVersionCode":
                    return members.get("app_version_code");
                case "getAppPackageName":
                    return members.get("app_package_name");
                default:
                    return null;
            }
        });
    }

    private Object identity(String header) throws ClassNotFoundException {
        Map<?, ?> members = header == null ? Map.of() : (Map<?, ?>) Json.parse(header);
        return proxy("CognitoIdentity", (method, arguments) -> {
            switch (method.getName()) {
                case "getIdentityId":
                    return members.get("cognitoIdentityId");
                case "getIdentityPoolId":
                    return members.get("cognitoIdentityPoolId");
                default:
                    return null;
            }
        });
    }

    private Object proxy(String name, Answer answer) throws ClassNotFoundException {
        return proxy(Class.forName(PACKAGE + name, false, loader), answer);
    }

    private Object proxy(Class<?> type, Answer answer) {
        InvocationHandler handler = (self, method, arguments) -> {
            if (method.getDeclaringClass() == Object.class) {
                return ofObject(type, self, method, arguments);
            }
            return answer.to(method, arguments);
        };
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler);
    }

    private static Object ofObject(Class<?> type, Object self, Method method, Object[] arguments) {
        switch (method.getName()) {
            case "equals":
                return self == arguments[0];
            case "hashCode":
                return System.identityHashCode(self);
            default:
                return type.getName() + "@" + Integer.toHexString(System.identityHashCode(self));
        }
    }

    /** What a method of a proxied interface answers. */
    private interface Answer {
        Object to(Method method, Object[] arguments) throws Throwable;
    }
}
