// Events of Go's loggers at a fixed instant, each printed as one line of JSON with its truth.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"

	charm "github.com/charmbracelet/log"
	"github.com/gin-gonic/gin"
	kitlog "github.com/go-kit/log"
	"github.com/hashicorp/go-hclog"
	"github.com/lmittmann/tint"
	pkgerrors "github.com/pkg/errors"
	"github.com/rs/zerolog"
	zerologstack "github.com/rs/zerolog/pkgerrors"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

const (
	id    = "0b9c2f64-7c1e-4d53-a1f0-4f2c8b7d6e55"
	trace = "9e107d9d372bb6826bd81d3542a419d6"
)

var (
	now     = time.Date(2026, 4, 7, 6, 5, 4, 321_000_000, time.UTC)
	ms      = now.UnixMilli()
	seconds = now.Unix() * 1000
)

type expect map[string]any

func emit(shape, kind, text string, truth expect) {
	line, err := json.Marshal(struct {
		Shape  string   `json:"shape"`
		Kind   string   `json:"kind"`
		Lines  []string `json:"lines"`
		Expect expect   `json:"expect"`
	}{shape, kind, strings.Split(strings.TrimSuffix(text, "\n"), "\n"), truth})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func take(buffer *bytes.Buffer) string {
	text := buffer.String()
	buffer.Reset()
	return text
}

type fixedClock struct{}

func (fixedClock) Now() time.Time                         { return now }
func (fixedClock) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

func zaps() {
	var buffer bytes.Buffer
	iso := zap.NewProductionEncoderConfig()
	iso.EncodeTime = zapcore.ISO8601TimeEncoder
	millis := zap.NewProductionEncoderConfig()
	millis.EncodeTime, millis.TimeKey = zapcore.EpochMillisTimeEncoder, "time"
	for shape, encoder := range map[string]zapcore.Encoder{
		"zap production":         zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		"zap ISO 8601":           zapcore.NewJSONEncoder(iso),
		"zap epoch milliseconds": zapcore.NewJSONEncoder(millis),
		"zap console":            zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
	} {
		logger := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&buffer), zap.DebugLevel),
			zap.WithClock(fixedClock{}), zap.AddCaller(), zap.AddStacktrace(zap.ErrorLevel)).Named("berths")
		kind := "app"
		if shape == "zap console" {
			kind = "text"
		}
		add := func(text, level, message string, stack bool) {
			truth := expect{"level": level, "message": message, "correlation_id": id}
			if kind == "app" {
				truth["time_ms"], truth["logger"] = ms, "berths"
			}
			if stack {
				truth["stack"] = true
			}
			emit(shape, kind, text, truth)
		}
		logger.Debug("debug about a berth", zap.String("request_id", id))
		add(take(&buffer), "debug", "debug about a berth", false)
		logger.Info("info about a berth", zap.String("request_id", id), zap.Int("berth", 7))
		add(take(&buffer), "info", "info about a berth", false)
		logger.Warn("berth is taken", zap.String("request_id", id), zap.Duration("took", 45*time.Millisecond))
		add(take(&buffer), "warning", "berth is taken", false)
		logger.Error("cannot moor", zap.String("request_id", id), zap.Error(errors.New("no tug")))
		add(take(&buffer), "error", "cannot moor", true)
		logger.DPanic("dry dock", zap.String("request_id", id))
		add(take(&buffer), "critical", "dry dock", true)
	}
}

func zerologs() {
	var buffer bytes.Buffer
	zerolog.TimestampFunc = func() time.Time { return now }
	zerolog.ErrorStackMarshaler = zerologstack.MarshalStack
	for _, form := range []struct {
		shape, format string
		at            int64
	}{
		{"zerolog", zerolog.TimeFormatUnix, seconds},
		{"zerolog milliseconds", zerolog.TimeFormatUnixMs, ms},
		{"zerolog microseconds", zerolog.TimeFormatUnixMicro, ms},
		{"zerolog nanoseconds", zerolog.TimeFormatUnixNano, ms},
		{"zerolog RFC 3339", time.RFC3339, seconds},
	} {
		zerolog.TimeFieldFormat = form.format
		logger := zerolog.New(&buffer).With().Timestamp().Str("trace_id", trace).Logger()
		for _, each := range []struct {
			event *zerolog.Event
			level string
		}{
			{logger.Trace(), "trace"}, {logger.Debug(), "debug"}, {logger.Info(), "info"}, {logger.Warn(), "warning"}, {logger.Error().Err(errors.New("no tug")), "error"},
		} {
			each.event.Int("berth", 7).Msg(each.level + " about a berth")
			emit(form.shape, "app", take(&buffer), expect{"level": each.level, "message": each.level + " about a berth", "correlation_id": trace, "time_ms": form.at})
		}
		logger.Error().Stack().Err(pkgerrors.New("no tug")).Msg("cannot moor")
		emit(form.shape, "app", take(&buffer), expect{"level": "error", "message": "cannot moor", "time_ms": form.at, "stack": true})
	}
	zerolog.TimeFieldFormat = time.RFC3339
	for shape, plain := range map[string]bool{"zerolog console": true, "zerolog console, colours": false} {
		logger := zerolog.New(zerolog.ConsoleWriter{Out: &buffer, NoColor: plain, TimeFormat: time.RFC3339}).With().Timestamp().Logger()
		logger.Warn().Str("request_id", id).Msg("berth is taken")
		emit(shape, "text", take(&buffer), expect{"level": "warning", "message": "berth is taken", "correlation_id": id})
		logger.Error().Err(errors.New("no tug")).Msg("cannot moor")
		emit(shape, "text", take(&buffer), expect{"level": "error", "message": "cannot moor"})
	}
}

func logruses() {
	var buffer bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&buffer)
	logger.SetLevel(logrus.TraceLevel)
	levels := map[logrus.Level]string{logrus.TraceLevel: "trace", logrus.DebugLevel: "debug", logrus.InfoLevel: "info", logrus.WarnLevel: "warning", logrus.ErrorLevel: "error"}
	for _, form := range []struct {
		shape, kind string
		formatter   logrus.Formatter
	}{
		{"logrus JSON", "app", &logrus.JSONFormatter{}},
		{"logrus JSON, nanoseconds", "app", &logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}},
		{"logrus text", "logfmt", &logrus.TextFormatter{DisableColors: true}},
		{"logrus text, full", "logfmt", &logrus.TextFormatter{DisableColors: true, FullTimestamp: true, QuoteEmptyFields: true}},
		{"logrus terminal", "text", &logrus.TextFormatter{ForceColors: true, FullTimestamp: true}},
	} {
		logger.SetFormatter(form.formatter)
		at := seconds
		if strings.Contains(form.shape, "nano") {
			at = ms
		}
		for level, name := range levels {
			logger.WithTime(now).WithField("request_id", id).Log(level, name+" about a berth")
			truth := expect{"level": name, "message": name + " about a berth"}
			if form.kind != "text" {
				truth["correlation_id"], truth["time_ms"] = id, at
			}
			emit(form.shape, form.kind, take(&buffer), truth)
		}
	}
}

func slogs() {
	var buffer bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	for _, form := range []struct {
		shape, kind string
		handler     slog.Handler
	}{
		{"slog JSON", "app", slog.NewJSONHandler(&buffer, options)},
		{"slog text", "logfmt", slog.NewTextHandler(&buffer, options)},
		{"tint", "text", tint.NewHandler(&buffer, &tint.Options{Level: slog.LevelDebug})},
	} {
		for level, name := range map[slog.Level]string{slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warning", slog.LevelError: "error"} {
			record := slog.NewRecord(now, level, name+" about a berth", 0)
			record.AddAttrs(slog.String("request_id", id), slog.Int("berth", 7))
			if err := form.handler.Handle(context.Background(), record); err != nil {
				panic(err)
			}
			truth := expect{"level": name, "message": name + " about a berth"}
			if form.kind != "text" {
				truth["correlation_id"], truth["time_ms"] = id, ms
			}
			emit(form.shape, form.kind, take(&buffer), truth)
		}
	}
}

func hashicorp() {
	var buffer bytes.Buffer
	for _, structured := range []bool{true, false} {
		shape, kind := "hclog text", "text"
		if structured {
			shape, kind = "hclog JSON", "infra"
		}
		logger := hclog.New(&hclog.LoggerOptions{Name: "core.berths", Level: hclog.Trace, Output: &buffer, JSONFormat: structured, TimeFn: func() time.Time { return now }})
		for level, name := range map[hclog.Level]string{hclog.Trace: "trace", hclog.Debug: "debug", hclog.Info: "info", hclog.Warn: "warning", hclog.Error: "error"} {
			logger.Log(level, name+" about a berth", "request_id", id)
			truth := expect{"level": name, "message": name + " about a berth"}
			if structured {
				truth["correlation_id"], truth["time_ms"], truth["logger"] = id, ms, "core.berths"
			}
			emit(shape, kind, take(&buffer), truth)
		}
	}
}

func kits() {
	var buffer bytes.Buffer
	for shape, logger := range map[string]kitlog.Logger{"go-kit logfmt": kitlog.NewLogfmtLogger(&buffer), "go-kit JSON": kitlog.NewJSONLogger(&buffer)} {
		kind := map[bool]string{true: "app", false: "logfmt"}[strings.HasSuffix(shape, "JSON")]
		if err := logger.Log("ts", now.Format(time.RFC3339Nano), "caller", "main.go:7", "level", "warn", "msg", "berth is taken", "trace_id", trace); err != nil {
			panic(err)
		}
		emit(shape, kind, take(&buffer), expect{"level": "warning", "message": "berth is taken", "correlation_id": trace, "time_ms": ms})
	}
	for _, formatter := range []charm.Formatter{charm.TextFormatter, charm.LogfmtFormatter, charm.JSONFormatter} {
		logger := charm.NewWithOptions(&buffer, charm.Options{Formatter: formatter, ReportTimestamp: true, TimeFormat: time.RFC3339Nano, TimeFunction: func(time.Time) time.Time { return now }})
		logger.Error("cannot moor", "request_id", id)
		form := [][2]string{{"charm text", "text"}, {"charm JSON", "app"}, {"charm logfmt", "logfmt"}}[int(formatter)]
		truth := expect{"level": "error", "message": "cannot moor"}
		if form[1] != "text" {
			truth["correlation_id"], truth["time_ms"] = id, ms
		}
		emit(form[0], form[1], take(&buffer), truth)
	}
}

func klogs() {
	var buffer bytes.Buffer
	klog.LogToStderr(false)
	klog.SetOutput(&buffer)
	for name, write := range map[string]func(){
		"info":    func() { klog.InfoS("info about a berth", "berth", 7) },
		"warning": func() { klog.Warning("warning about a berth") },
		"error":   func() { klog.ErrorS(errors.New("no tug"), "error about a berth") },
	} {
		write()
		klog.Flush()
		lines := strings.SplitAfter(take(&buffer), "\n")
		emit("klog", "text", lines[0], expect{"level": name, "message": name + " about a berth"})
	}
}

func standard() {
	var buffer bytes.Buffer
	for shape, flags := range map[string]int{"Go log": log.LstdFlags, "Go log, microseconds and file": log.LstdFlags | log.Lmicroseconds | log.Lshortfile, "Go log, bare": 0} {
		log.New(&buffer, "", flags).Print("berth is taken")
		emit(shape, "text", take(&buffer), expect{"message": "berth is taken"})
	}
}

func gins() {
	var buffer bytes.Buffer
	for shape, colours := range map[string]bool{"gin": false, "gin, colours": true} {
		if gin.DisableConsoleColor(); colours {
			gin.ForceConsoleColor()
		}
		engine := gin.New()
		engine.Use(gin.LoggerWithWriter(&buffer))
		engine.POST("/berths", func(c *gin.Context) { c.Status(http.StatusConflict) })
		engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/berths?full=1", nil))
		emit(shape, "text", take(&buffer), expect{"method": "POST", "path": "/berths", "status_code": 409})
	}
}

// crash ends this process as `kind` says; the generator starts itself for it.
func crash(kind string) {
	switch kind {
	case "panic":
		panic("berth B7 is taken")
	case "error":
		panic(fmt.Errorf("cannot moor: %w", errors.New("no tug")))
	case "nil":
		var berths map[string]int
		berths["B7"] = 1
	case "serving":
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("berth B7 is taken") }))
		_, _ = http.Get(server.URL)
		server.Close()
	}
}

func crashes() {
	for _, kind := range []string{"panic", "error", "nil", "serving"} {
		command := exec.Command(os.Args[0], kind)
		var buffer bytes.Buffer
		command.Stderr = &buffer
		_ = command.Run()
		emit("Go crash: "+kind, "stack", take(&buffer), expect{"level": "error", "stack": true})
	}
}

func main() {
	if len(os.Args) > 1 {
		crash(os.Args[1])
		return
	}
	zaps()
	zerologs()
	logruses()
	slogs()
	hashicorp()
	kits()
	klogs()
	standard()
	gins()
	crashes()
}
