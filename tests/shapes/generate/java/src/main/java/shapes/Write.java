package shapes;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.encoder.JsonEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import co.elastic.logging.logback.EcsEncoder;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.ConsoleHandler;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import net.logstash.logback.encoder.LogstashEncoder;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.StringLayout;
import org.apache.logging.log4j.core.config.DefaultConfiguration;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.apache.logging.log4j.core.time.MutableInstant;
import org.apache.logging.log4j.layout.template.json.JsonTemplateLayout;
import org.apache.logging.log4j.message.SimpleMessage;
import org.apache.logging.log4j.util.SortedArrayStringMap;

/** Events of Java's loggers at a fixed instant, each printed as one line of JSON with its truth. */
public final class Write {
    private static final long MS = FixedClock.MS;
    private static final String ID = "0b9c2f64-7c1e-4d53-a1f0-4f2c8b7d6e55";
    private static final String NAME = "com.harbour.Berths";
    private static final String TYPE = "java.lang.IllegalStateException";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = System.out;

    private Write() {
    }

    static void emit(String shape, String kind, String text, Map<String, Object> expect) throws Exception {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("shape", shape);
        event.put("kind", kind);
        event.put("lines", List.of(text.stripTrailing().split("\n", -1)));
        event.put("expect", expect);
        OUT.println(JSON.writeValueAsString(event));
    }

    static IllegalStateException taken() {
        try {
            Integer.parseInt("B7");
            throw new AssertionError();
        } catch (NumberFormatException cause) {
            IllegalStateException failure = new IllegalStateException("berth B7 is taken", cause);
            failure.addSuppressed(new java.io.IOException("no tug"));
            return failure;
        }
    }

    static Map<String, Object> truth(String kind, String level, String message) {
        Map<String, Object> expect = new LinkedHashMap<>();
        expect.put("level", level);
        expect.put("message", message);
        if (kind.equals("app")) {
            expect.put("time_ms", MS);
            expect.put("correlation_id", ID);
            expect.put("logger", NAME);
        }
        return expect;
    }

    // --- logback ---

    static void logbacks() throws Exception {
        LoggerContext context = new LoggerContext();
        EcsEncoder ecs = new EcsEncoder();
        ecs.setServiceName("harbour");
        logback(context, "logstash-logback-encoder", "app", new LogstashEncoder());
        logback(context, "logback ECS encoder", "app", ecs);
        logback(context, "logback JsonEncoder", "app", new JsonEncoder());
        Map<String, String> patterns = new LinkedHashMap<>();
        patterns.put("logback default", "%d{HH:mm:ss.SSS} [%thread] %-5level %logger{36} -%kvp- %msg%n");
        patterns.put("logback with date", "%d{\"yyyy-MM-dd HH:mm:ss,SSS\"} %-5p [%t] %c - %m%n");
        patterns.put("Spring Boot text", "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %5p 1 --- [harbour] [%15.15t] %-40.40logger{39} : %m%n%wEx");
        patterns.put("logback with id", "%d{ISO8601} [%X{requestId}] %level %logger - %msg%n");
        for (Map.Entry<String, String> each : patterns.entrySet()) {
            PatternLayout layout = new PatternLayout();
            layout.setContext(context);
            layout.setPattern(each.getValue().replace("%wEx", "%ex"));
            layout.start();
            LayoutWrappingEncoder<ILoggingEvent> encoder = new LayoutWrappingEncoder<>();
            encoder.setLayout(layout);
            logback(context, each.getKey(), "text", encoder);
        }
    }

    static void logback(LoggerContext context, String shape, String kind, Encoder<ILoggingEvent> encoder) throws Exception {
        encoder.setContext(context);
        encoder.start();
        Map<ch.qos.logback.classic.Level, String> levels = new LinkedHashMap<>();
        levels.put(ch.qos.logback.classic.Level.TRACE, "trace");
        levels.put(ch.qos.logback.classic.Level.DEBUG, "debug");
        levels.put(ch.qos.logback.classic.Level.INFO, "info");
        levels.put(ch.qos.logback.classic.Level.WARN, "warning");
        levels.put(ch.qos.logback.classic.Level.ERROR, "error");
        for (Map.Entry<ch.qos.logback.classic.Level, String> level : levels.entrySet()) {
            String message = level.getValue() + " about a berth";
            emit(shape, kind, encoded(context, encoder, level.getKey(), message, null), truth(kind, level.getValue(), message));
        }
        Map<String, Object> expect = truth(kind, "error", "cannot moor");
        expect.put("stack", !shape.contains("JsonEncoder"));
        if (shape.contains("JsonEncoder")) {
            expect.remove("stack");
        }
        if (kind.equals("text")) {
            expect.put("error_type", TYPE);
        }
        emit(shape, kind, encoded(context, encoder, ch.qos.logback.classic.Level.ERROR, "cannot moor", taken()), expect);
    }

    static String encoded(LoggerContext context, Encoder<ILoggingEvent> encoder, ch.qos.logback.classic.Level level, String message, Throwable failure) {
        LoggingEvent event = new LoggingEvent("shapes.Write", context.getLogger(NAME), level, message, failure, null);
        event.setInstant(Instant.ofEpochMilli(MS));
        event.setMDCPropertyMap(Map.of("requestId", ID));
        event.setThreadName("main");
        return new String(encoder.encode(event), StandardCharsets.UTF_8);
    }

    // --- log4j2 ---

    static void log4js() throws Exception {
        DefaultConfiguration configuration = new DefaultConfiguration();
        for (String template : List.of("EcsLayout", "GcpLayout", "GelfLayout", "JsonLayout", "LogstashJsonEventLayoutV1")) {
            JsonTemplateLayout layout = JsonTemplateLayout.newBuilder().setConfiguration(configuration)
                .setEventTemplateUri("classpath:" + template + ".json").setStackTraceEnabled(true).build();
            log4j("log4j2 " + template, "app", layout);
        }
        for (String pattern : List.of("%d{HH:mm:ss.SSS} [%t] %-5level %logger{1} - %msg%n", "%d %p [%c{1}] (%t) %m%n", "[%d] %p %m (%c)%n", "%d{ISO8601} | %-5p | %c | %m%n")) {
            org.apache.logging.log4j.core.layout.PatternLayout layout =
                org.apache.logging.log4j.core.layout.PatternLayout.newBuilder().withConfiguration(configuration).withPattern(pattern).build();
            log4j("log4j2 pattern " + pattern, "text", layout);
        }
    }

    static void log4j(String shape, String kind, StringLayout layout) throws Exception {
        Map<Level, String> levels = new LinkedHashMap<>();
        levels.put(Level.TRACE, "trace");
        levels.put(Level.DEBUG, "debug");
        levels.put(Level.INFO, "info");
        levels.put(Level.WARN, "warning");
        levels.put(Level.ERROR, "error");
        levels.put(Level.FATAL, "critical");
        for (Map.Entry<Level, String> level : levels.entrySet()) {
            String message = level.getValue() + " about a berth";
            emit(shape, kind, layout.toSerializable(event(level.getKey(), message, null)).toString(), truth(shape, kind, level.getValue(), message));
        }
        Map<String, Object> expect = truth(shape, kind, "error", "cannot moor");
        expect.put("stack", true);
        if (kind.equals("text")) {
            expect.put("error_type", TYPE);
        }
        emit(shape, kind, layout.toSerializable(event(Level.ERROR, "cannot moor", taken())).toString(), expect);
    }

    static Map<String, Object> truth(String shape, String kind, String level, String message) {
        Map<String, Object> expect = truth(kind, level, message);
        if (shape.contains("Gcp") && level.equals("trace")) {
            expect.put("level", "debug");
        }
        return expect;
    }

    static Log4jLogEvent event(Level level, String message, Throwable failure) {
        SortedArrayStringMap context = new SortedArrayStringMap();
        context.putValue("requestId", ID);
        MutableInstant instant = new MutableInstant();
        instant.initFromEpochMilli(MS, 0);
        return Log4jLogEvent.newBuilder().setLoggerName(NAME).setLoggerFqcn("shapes.Write").setLevel(level)
            .setMessage(new SimpleMessage(message)).setThrown(failure).setContextData(context).setThreadName("main").setInstant(instant).build();
    }

    // --- the Java library ---

    static void javaLogging() throws Exception {
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        System.setErr(new PrintStream(written, true, StandardCharsets.UTF_8));
        ConsoleHandler handler = new ConsoleHandler();
        handler.setFormatter(new SimpleFormatter());
        handler.setLevel(java.util.logging.Level.ALL);
        Logger logger = Logger.getLogger(NAME);
        logger.setUseParentHandlers(false);
        logger.setLevel(java.util.logging.Level.ALL);
        logger.addHandler(handler);
        Map<java.util.logging.Level, String> levels = new LinkedHashMap<>();
        levels.put(java.util.logging.Level.INFO, "info");
        levels.put(java.util.logging.Level.WARNING, "warning");
        levels.put(java.util.logging.Level.SEVERE, "error");
        for (Map.Entry<java.util.logging.Level, String> level : levels.entrySet()) {
            logger.log(level.getKey(), level.getValue() + " about a berth");
            emit("java.util.logging", "text", taken(written), truth("text", level.getValue(), level.getValue() + " about a berth"));
        }
        logger.log(java.util.logging.Level.SEVERE, "cannot moor", taken());
        Map<String, Object> expect = truth("text", "error", "cannot moor");
        expect.put("stack", true);
        expect.put("error_type", TYPE);
        emit("java.util.logging", "text", taken(written), expect);
        Thread worker = new Thread(() -> {
            throw taken();
        }, "tug-1");
        worker.start();
        worker.join();
        emit("Java uncaught", "stack", taken(written), new LinkedHashMap<>(Map.of("level", "error", "stack", true, "error_type", TYPE)));
    }

    static String taken(ByteArrayOutputStream written) {
        String text = written.toString(StandardCharsets.UTF_8);
        written.reset();
        return text;
    }

    public static void main(String[] arguments) throws Exception {
        logbacks();
        log4js();
        javaLogging();
    }
}
