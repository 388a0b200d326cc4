"""Heads of text lines: level, time, logger and id only from the places in which known formats have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.text_heads import LEVELS, WORDS, head_of
from shipper_schemas.event import LEVELS as SCHEMA_LEVELS

FORMATS: dict[str, list[tuple[str, str | None, str | None, str]]] = {
    # line, level, logger, beginning of the message
    "Python's basicConfig": [
        ("ERROR:root:disk is full", "error", "root", "disk is full"),
        ("WARNING:shop.cart:slow query", "warning", "shop.cart", "slow query"),
        ("CRITICAL:__main__:giving up", "critical", "__main__", "giving up"),
    ],
    "Python with asctime and dashes": [
        ("2026-11-30 11:37:19,477 - shop.cart - ERROR - disk is full", "error", "shop.cart", "disk is full"),
        ("2026-11-30 11:37:19,477 - root - INFO - INFO and ERROR", "info", "root", "INFO and ERROR"),
        ("2026-11-30 11:37:19 - WARNING - no logger", "warning", None, "no logger"),
    ],
    "Python with asctime and blanks": [
        ("2026-11-30 11:37:19,477 INFO sqlalchemy.engine.Engine BEGIN", "info", "sqlalchemy.engine.Engine", "BEGIN"),
        ("2026-11-30 11:37:19,477 ERROR shop.cart: gone", "error", "shop.cart", "gone"),
        ("2026-11-30 11:37:19,477 shop.cart DEBUG loaded", "debug", "shop.cart", "loaded"),
    ],
    "loguru": [
        ("2026-11-30 11:37:19.477 | ERROR    | shop.cart:pay:12 - refused", "error", "shop.cart", "refused"),
        ("2026-11-30 11:37:19.477 | SUCCESS  | __main__:<module>:3 - done", "info", "__main__", "done"),
        ("2026-11-30 11:37:19.477 | TRACE    | a:b:1 - x | y", "trace", "a", "x | y"),
    ],
    "Celery": [
        ("[2026-11-30 11:37:19,448: ERROR/MainProcess] Task failed", "error", None, "Task failed"),
        ("[2026-11-30 11:37:19,448: INFO/ForkPoolWorker-2] Task succeeded", "info", None, "Task succeeded"),
        ("[2026-11-30 11:37:19,448: WARNING/Beat] clock", "warning", None, "clock"),
    ],
    "Django verbose": [
        ("ERROR 2026-11-30 11:37:19,477 views 7 140 failed", "error", None, "views 7 140 failed"),
        ("INFO 2026-11-30 11:37:19,477 autoreload 7 140 Watching", "info", None, "autoreload"),
        ("DEBUG 2026-11-30 11:37:19,477 base 7 140 template", "debug", None, "base 7"),
    ],
    "gunicorn": [
        ("[2026-11-30 11:37:18 +0000] [7] [INFO] Booting worker", "info", None, "Booting worker"),
        ("[2026-11-30 11:37:18 +0000] [7] [ERROR] Exception in worker", "error", None, "Exception"),
        ("[2026-11-30 11:37:18 +0000] [7] [CRITICAL] WORKER TIMEOUT", "critical", None, "WORKER"),
    ],
    "uvicorn": [
        ("INFO:     Started server process [1]", "info", None, "Started"),
        ("ERROR:    Exception in ASGI application", "error", None, "Exception"),
        ("WARNING:  StatReload detected changes", "warning", None, "StatReload"),
    ],
    "Airflow": [
        ("[2026-11-30T11:37:18.721+0000] {taskinstance.py:12} INFO - Marking task", "info", None, "Marking task"),
        ("[2026-11-30T11:37:18.721+0000] {dag.py:1} ERROR - Failed", "error", None, "Failed"),
        ("[2026-11-30T11:37:18.721+0000] {job.py:99} WARNING - late", "warning", None, "late"),
    ],
    "Odoo": [
        ("2026-11-30 11:37:18,477 1234 INFO db odoo.addons.base: loaded", "info", "odoo.addons.base", "loaded"),
        ("2026-11-30 11:37:18,477 1234 ERROR ? odoo.http: failed", "error", "odoo.http", "failed"),
        ("2026-11-30 11:37:18,477 1 WARNING db odoo.sql_db: bad query", "warning", "odoo.sql_db", "bad query"),
    ],
    "zap console": [
        ("2026-11-30T11:35:21.791Z\tWARN\tshop/main.go:22\tslow", "warning", None, "slow"),
        ("2026-11-30T11:35:21.791+0100\tERROR\tcart\tshop/main.go:22\tgone", "error", "cart", "gone"),
        ("2026-11-30T11:35:21.791Z\tDPANIC\tshop/main.go:22\tbug", "critical", None, "bug"),
    ],
    "zerolog console": [
        ("2026-11-30T11:35:21Z ERR request failed", "error", None, "request failed"),
        ("11:35AM WRN slow", "warning", None, "slow"),
        ("2026-11-30T11:35:21+01:00 DBG x", "debug", None, "x"),
    ],
    "klog and glog": [
        ("I1130 11:35:21.792443    2962 main.go:64] started", "info", "main.go", "started"),
        ("E1130 11:35:21.792463       1 sync.go:65] failed", "error", "sync.go", "failed"),
        ("W20261130 11:35:21.792463 12 disk.cc:5] slow", "warning", "disk.cc", "slow"),
    ],
    "capnslog": [
        ("2026-01-01 11:37:18.721000 I | etcdserver: name = x", "info", "etcdserver", "name = x"),
        ("2026-01-01 11:37:18.721000 W | rafthttp: lost", "warning", "rafthttp", "lost"),
        ("2026-01-01 11:37:18.721000 C | etcdmain: dying", "critical", "etcdmain", "dying"),
    ],
    "hclog": [
        ("2026-11-30T11:37:18.721Z [WARN]  agent: syncing", "warning", "agent", "syncing"),
        ("    2026-11-30T11:37:18.721Z [INFO]  core.raft: elected", "info", "core.raft", "elected"),
        ("2026-11-30T11:37:18.721Z [ERROR] expiration: failed", "error", "expiration", "failed"),
    ],
    "Go's log": [
        ("2026/11/30 11:37:18 listening on :80", None, None, "listening"),
        ("2026/11/30 11:37:18.721000 http: TLS handshake error", None, None, "http: TLS"),
        ("2026/11/30 11:37:18 error while parsing", None, None, "error while"),
    ],
    "env_logger": [
        ("[2026-11-30T11:35:21Z ERROR shop::cart] gone", "error", "shop::cart", "gone"),
        ("[2026-11-30T11:35:21Z INFO  shop] up", "info", "shop", "up"),
        ("[2026-11-30T11:35:21.123456Z WARN  shop] slow", "warning", "shop", "slow"),
    ],
    "tracing": [
        ("2026-11-30T11:35:21.792Z  WARN shop::cart: slow", "warning", "shop::cart", "slow"),
        ("2026-11-30T11:35:21.792Z ERROR request{id=1}: shop::cart: gone", "error", "shop::cart", "gone"),
        ("2026-11-30T11:35:21.792Z DEBUG hyper: x", "debug", "hyper", "x"),
    ],
    "log4j and logback": [
        ("11:37:28.324 [main] ERROR com.shop.Cart - failed", "error", "com.shop.Cart", "failed"),
        ("2026-11-30 11:37:28,324 [main] FATAL com.x.Y - no", "critical", "com.x.Y", "no"),
        ("2026-11-30 11:37:28,324 WARN  [pool-1] com.x.Y - slow", "warning", "com.x.Y", "slow"),
        ("ERROR 2026-11-30 11:37:18 [main] shop.Pay - failed", "error", "shop.Pay", "failed"),
        ("[main] INFO org.eclipse.jetty - started", "info", "org.eclipse.jetty", "started"),
    ],
    "Spring Boot": [
        ("2026-11-30T11:37:18.721Z ERROR 1 --- [shop] [main] c.e.Cart : gone", "error", "c.e.Cart", "gone"),
        ("2026-11-30 11:37:18.721  INFO 1 --- [nio-8080-exec-1] c.e.Cart   : up", "info", "c.e.Cart", "up"),
        ("2026-11-30T11:37:18.721+01:00  WARN 7 --- [main] o.s.Context : x", "warning", "o.s.Context", "x"),
    ],
    "WildFly and Quarkus": [
        ("21:20:42,120 WARN  [org.keycloak.events] (default task-2) type=LOGIN_ERROR", "warning", "org.keycloak.events", "type"),
        ("2025-02-03 14:53:56,653 INFO  [io.quarkus] (main) started", "info", "io.quarkus", "started"),
        ("2025-02-03 14:53:56,653 ERROR [org.acme.Cart] (executor-1) gone", "error", "org.acme.Cart", "gone"),
    ],
    "Tomcat": [
        ("30-Nov-2026 11:37:18.721 INFO [main] org.apache.Catalina.start up", "info", "org.apache.Catalina.start", "up"),
        ("30-Nov-2026 11:37:18.721 SEVERE [http-1] a.B.c gone", "error", "a.B.c", "gone"),
        ("30-Nov-2026 11:37:18.721 WARNING [main] a.B.c slow", "warning", "a.B.c", "slow"),
    ],
    "java.util.logging": [
        ("Nov 30, 2026 11:37:18 AM com.shop.Cart pay\nSEVERE: gone", "error", "com.shop.Cart", "gone"),
        ("Nov 3, 2026 1:37:18 PM com.shop.Cart <init>\nINFO: up", "info", "com.shop.Cart", "up"),
        ("Nov 30, 2026 11:37:18 AM com.shop.Cart pay\nFINE: x", "debug", "com.shop.Cart", "x"),
    ],
    "Kafka and ZooKeeper": [
        ("[2026-11-30 11:37:18,721] INFO [Server id=1] started (kafka.server.Server)", "info", None, "started"),
        ("[2026-11-30 11:37:18,721] ERROR Disk error (kafka.log.LogManager)", "error", None, "Disk error"),
        ("2026-11-30 11:37:18,000 [myid:1] - WARN  [main:Peer@123] - lost", "warning", None, "[main"),
    ],
    "Elasticsearch": [
        ("[2026-11-30T11:37:18,721][WARN ][o.e.n.Node               ] [node-1] slow", "warning", "o.e.n.Node", "slow"),
        ("[2026-11-30T11:37:18,721][INFO ][o.e.c.Service] [node-1] up", "info", "o.e.c.Service", "up"),
        ("[2026-11-30T11:37:18,721][ERROR][o.o.s.Index] [node-1] gone", "error", "o.o.s.Index", "gone"),
    ],
    "MongoDB before 4.4": [
        ("2026-11-30T11:37:18.721+0000 I  NETWORK  [conn1] end connection", "info", "NETWORK", "end"),
        ("2026-11-30T11:37:18.721+0000 E  STORAGE  [thread1] full", "error", "STORAGE", "full"),
        ("2026-11-30T11:37:18.721+0000 W  ACCESS   [conn2] denied", "warning", "ACCESS", "denied"),
    ],
    "MySQL and MariaDB": [
        ("2020-08-06T14:25:02.936146Z 0 [Warning] [MY-010068] [Server] CA", "warning", "Server", "CA"),
        ("2026-11-30 11:37:18 0 [Note] mariadbd: ready", "info", "mariadbd", "ready"),
        ("2020-08-06T14:25:03.109022Z 5 [ERROR] [MY-010119] [Server] Aborting", "error", "Server", "Aborting"),
        ("201130 11:37:18 [ERROR] gone", "error", None, "gone"),
    ],
    "PostgreSQL": [
        ("2021-03-17 15:18:05.633 UTC [170] postgres@shop LOG:  statement: SELECT", "info", None, "statement"),
        ("2021-03-17 15:18:05.633 UTC [170] a@b FATAL:  password authentication failed", "critical", None, "password"),
        ("2025-04-12 00:14:12.837 CEST [1329108] ERROR:  syntax error", "error", None, "syntax"),
        ("2021-03-17 15:18:05.633 UTC [170] DETAIL:  Role does not exist", "info", None, "Role"),
        ('2026-03-09 08:15:30.123 UTC,"app","parcels",170,"10.0.0.7:51000",69ae82d2.aa,1,"authentication",2026-03-09 08:15:30 UTC,3/2,0,FATAL,28P01,"password failed",,,', "critical", None, "password"),
        ("2021-03-17 15:18:05.633 GMT [170-1] PANIC:  gone", "critical", None, "gone"),
    ],
    "Redis": [
        ("1:M 30 Nov 2026 11:37:18.721 * Ready to accept", "notice", None, "Ready"),
        ("1:C 30 Nov 2026 11:37:18.721 # WARNING overcommit", "warning", None, "WARNING"),
        ("12:S 30 Nov 2026 11:37:18.721 - client closed", "debug", None, "client"),
        ("[1] 30 Nov 11:37:18.721 # old", "warning", None, "old"),
    ],
    "RabbitMQ": [
        ("2025-09-10 14:52:44.657199+00:00 [warning] <0.997.0> access denied", "warning", None, "access"),
        ("2025-09-10 14:52:44.657199+00:00 [info] <0.9.0> started", "info", None, "started"),
        ("2025-09-10 14:52:44.657199+00:00 [error] <0.997.0> gone", "error", None, "gone"),
    ],
    "nginx": [
        ("2026/11/30 11:37:18 [error] 29#29: *1 connect() failed", "error", None, "connect()"),
        ("2026/11/30 11:37:18 [emerg] 1#1: bind() failed", "critical", None, "bind()"),
        ("2026/11/30 11:37:18 [notice] 1#1: start worker", "notice", None, "start"),
        ("2026/11/30 11:37:18 [notice] 1#1: OS: Linux 6.1.0", "notice", None, "OS: Linux"),
    ],
    "Apache": [
        ("[Mon Nov 30 11:37:18.721 2026] [core:error] [pid 12:tid 3] [client 1.2.3.4:5] AH00124", "error", "core", "AH00124"),
        ("[Mon Nov 30 11:37:18 2026] [notice] up", "notice", None, "up"),
        ("[Mon Nov 30 11:37:18.721 2026] [ssl:warn] [pid 12] x", "warning", "ssl", "x"),
    ],
    "HAProxy": [
        ("[WARNING] 333/113718 (1) : config", "warning", None, "config"),
        ("[ALERT] 333/113718 (1) : no backend", "critical", None, "no backend"),
        ("[NOTICE] 333/113718 (1) : new worker", "notice", None, "new"),
    ],
    "PHP": [
        ("PHP Fatal error:  Uncaught Exception in /x.php:3", "critical", None, "Uncaught"),
        ("[30-Nov-2026 11:37:18 UTC] PHP Warning:  Undefined variable", "warning", None, "Undefined"),
        ("[30-Nov-2026 11:37:18] NOTICE: fpm is running, pid 1", "notice", None, "fpm"),
        ("Parse error: unexpected token in /srv/a.php on line 3", "critical", None, "unexpected"),
    ],
    "Monolog": [
        ("[2026-05-15 18:19:32] local.ERROR: Class missing", "error", None, "Class"),
        ("[2026-05-15T18:19:32.123456+00:00] app.WARNING: slow", "warning", None, "slow"),
        ("[2026-05-15 18:19:32] production.EMERGENCY: gone", "critical", None, "gone"),
    ],
    "Ruby's Logger": [
        ("I, [2026-11-30T11:37:18.721000 #7]  INFO -- : up", "info", None, "up"),
        ("F, [2026-11-30T11:37:18.721000 #7] FATAL -- : gone", "critical", None, "gone"),
        ("W, [2026-11-30T11:37:18.721000 #7]  WARN -- puma: slow", "warning", None, "slow"),
    ],
    "NestJS": [
        ("[Nest] 7  - 11/30/2026, 11:37:18 AM   ERROR [Cart] gone", "error", "Cart", "gone"),
        ("[Nest] 7  - 11/30/2026, 11:37:18 AM     LOG [NestFactory] Starting", "info", "NestFactory", "Starting"),
        ("[Nest] 7  - 11/30/2026, 1:37:18 PM VERBOSE x", "debug", None, "x"),
    ],
    "winston": [
        ("warn: slow", "warning", None, "slow"),
        ("error: gone", "error", None, "gone"),
        ("2026-11-30T11:37:18.721Z info: up", "info", None, "up"),
    ],
    "NLog and Serilog": [
        ("2026-11-30 11:37:18.7210|ERROR|App.Cart|gone", "error", "App.Cart", "gone"),
        ("2026-05-02 12:34:56.789 +00:00 [WRN] retry", "warning", None, "retry"),
        ("[12:34:56 ERR] gone", "error", None, "gone"),
        ("[12:34:56 INF] up", "info", None, "up"),
    ],
    ".NET's console": [
        ("fail: App.Cart[0]\n      gone", "error", "App.Cart", "gone"),
        ("info: Microsoft.Hosting.Lifetime[14]\n      Now listening", "info", "Microsoft.Hosting.Lifetime", "Now"),
        ("crit: App.Cart[1]", "critical", "App.Cart", ""),
        ("dbug: App.Cart[1]", "debug", "App.Cart", ""),
    ],
    "Elixir": [
        ("11:37:18.721 request_id=FabcD [error] GenServer terminating", "error", None, "GenServer"),
        ("11:37:18.721 [info] GET /", "info", None, "GET /"),
        ("11:37:18.721 application=shop [warning] slow", "warning", None, "slow"),
    ],
    "syslog": [
        ("<34>Oct 11 22:14:15 mymachine su: failed", "critical", "su", "failed"),
        ("<13>Oct  1 22:14:15 web01 cron[12]: run", "notice", "cron", "run"),
        ("Dec 10 06:55:48 LabSZ sshd[24200]: Connection closed", None, "sshd", "Connection"),
        ("<30>dockerd[7]: up", "info", "dockerd", "up"),
        ("2026-11-30T11:37:18.721+00:00 web01 sshd[123]: Accepted", None, "sshd", "Accepted"),
    ],
    "ClickHouse": [
        ("2026.11.30 11:37:18.721123 [ 1 ] {} <Error> Application: Code 3", "error", "Application", "Code"),
        ("2026.11.30 11:37:18.721123 [ 12 ] {} <Information> Server: up", "info", "Server", "up"),
        ("2026.11.30 11:37:18.721123 [ 9 ] {a-b} <Debug> executeQuery: x", "debug", "executeQuery", "x"),
    ],
    "terminals": [
        ("[11:37:18.721] INFO (7): server starting", "info", None, "server"),
        ("[11:37:18.721] ERROR (6026/vm): failed", "error", None, "failed"),
        ("INFO[0000] server starting", "info", None, "server"),
        ("WARN[0003] slow", "warning", None, "slow"),
    ],
    "AWS Lambda": [
        ("2026-11-30T11:37:18.721Z\t7f3c0000-aaaa-bbbb-cccc-0123456789ab\tERROR\tgone", "error", None, "gone"),
        ("[ERROR]\t2026-11-30T11:37:18.721Z\t7f3c0000-aaaa-bbbb-cccc-0123456789ab\tgone", "error", None, "gone"),
        ("2026-11-30T11:37:18.721Z\t7f3c0000-aaaa-bbbb-cccc-0123456789ab\tINFO\tup", "info", None, "up"),
    ],
    "Docker Compose": [
        ("db-1  | 2021-03-17 15:18:05.633 UTC [170] a@b ERROR:  gone", "error", None, "gone"),
        ("web-1 | INFO:     Started", "info", None, "Started"),
        ("app-1  | [DEBUG] error", "debug", None, "error"),
    ],
    "other servers": [
        ("30/Nov/2026:11:37:18 +0000 [ERROR] gone", "error", None, "gone"),
        ("11/30/2026 11:37:18 AM ERROR gone", "error", None, "gone"),
        ("30.11.2026 11:37:18 - shop - WARNING - slow", "warning", "shop", "slow"),
        ("2026-11-30T11:37:18.721Z error [shop]: failed", "error", None, "failed"),
        ("[shop] error: failed", "error", None, "failed"),
        ("11:37:18,721 |-WARN in ch.qos.logback.classic - slow", "warning", "ch.qos.logback.classic", "slow"),
        ("11:37:18,721 |-ERROR in ch.qos.logback.core.FileAppender[FILE] - denied", "error", "ch.qos.logback.core.FileAppender", "denied"),
        ("11:37:18,721 |-INFO in c.q.l.c.joran.JoranConfigurator@4b9e255 - set", "info", "c.q.l.c.joran.JoranConfigurator", "set"),
        ("<Nov 30, 2026 11:37:18 AM UTC> <Error> <Security> <BEA-090> <gone>", "error", "Security", "<gone>"),
        ("LOG:  database system is ready", "info", None, "database"),
        ("FATAL:  password authentication failed", "critical", None, "password"),
        ("START RequestId: 7f3c0000-aaaa-bbbb-cccc-0123456789ab Version: 1", None, None, "Version"),
        ("[1] 2026/03/09 08:15:30.123456 [INF] Server is ready", "info", None, "Server"),
        ("2026-03-09  8:15:32 0 [Warning] skipped", "warning", None, "skipped"),
        ("2026/03/09 08:15:30.123456 label.go:41: ERROR: gone", "error", None, "gone"),
        ("nginx: [emerg] unknown directive", "critical", None, "unknown"),
        ("Apr  7 06:05:04.321 DBG about", "debug", None, "about"),
        ("ERRO[2026-04-07T06:05:04Z] gone", "error", None, "gone"),
        ("DEBU[0001] x", "debug", None, "x"),
        ("2026-11-30T11:37:18Z I! Starting", "info", None, "Starting"),
        ("2026-11-30T11:37:18Z E! gone", "error", None, "gone"),
        ("2026/11/30 11:37:18 cmd/web.go:1:runWeb() [W] slow", "warning", None, "slow"),
        ("2026-11-30T11:37:18.721Z pid=7 tid=abc class=HardJob jid=123 INFO: start", "info", None, "start"),
        ("30-Nov-2026 11:37:18.721 general: info: loaded", "info", "general", "loaded"),
        ("Nov 30 11:37:18 imap-login: Warning: slow", "warning", "imap-login", "slow"),
        ("[2026-11-30 11:37:18 +0000] information/cli: up", "info", "cli", "up"),
        ("I261130 11:37:18.721 1 file.go:12  [n1] up", "info", None, "1 file.go"),
        ("[2026/11/30 11:37:18.721 +00:00] [WARN] [main.go:12] slow", "warning", None, "[main.go:12]"),
        ("[2026-11-30 11:37:18.721][1][critical][main] [source/server.cc:1] gone", "critical", "main", "gone"),
        ("[     0.001s]  WARN ThreadId(01) linkerd: slow", "warning", None, "ThreadId"),
        ("[2026/11/30 11:37:18] [ info] [engine] started", "info", None, "[engine]"),
        ("(node:7) [DEP0005] DeprecationWarning: old", "warning", None, "old"),
        ("2026-11-30 11:37:18,721 INFO  org.apache.Runner [] - up", "info", "org.apache.Runner", "up"),
        ("03-17 16:13:38.811  1702  2395 W WindowManager: slow", "warning", "WindowManager", "slow"),
        ("081109 203615 148 INFO dfs.DataNode$PacketResponder: ended", "info", "dfs.DataNode$PacketResponder", "ended"),
        ("2016-09-28 04:30:30, Info                  CBS    Loaded", "info", None, "CBS"),
        ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: failure", None, "sshd(pam_unix)", "failure"),
        ("0 [main] WARN com.shop.Pay  - slow", "warning", "com.shop.Pay", "slow"),
        ("1.7960386387217932e+09\terror\tgo/main.go:21\tgone", "error", None, "gone"),
    ],
    "a line number": [
        ("[2026-11-30 11:37:18,721] ERROR [shop.jobs:6] job: failed", "error", "shop.jobs", "job: failed"),
        ("2026-11-30 11:37:18,721 INFO [__main__:12] up", "info", "__main__", "up"),
        ("2026-11-30 11:37:18,721 INFO [jobs.py:12] up", "info", None, "[jobs.py:12] up"),
    ],
    "a bracket": [
        ("[DEBUG] error while parsing", "debug", None, "error while parsing"),
        ("[warn] odd", "warning", None, "odd"),
        ("[INFO ] 2026-11-30 11:37:18 ERROR is only a word here", "info", None, "ERROR"),
        ("2026-11-30 11:37:18 [DEBUG] critical section entered", "debug", None, "critical section"),
    ],
}  # fmt: skip
LINES = [line for lines in FORMATS.values() for line in lines]


@pytest.mark.parametrize(("line", "level", "logger", "message"), LINES)
def test_the_head_of_each_format_is_read(line: str, level: str | None, logger: str | None, message: str) -> None:
    """Level and logger are those that a person reads in the line, and the message begins behind them."""
    head = head_of(line)
    assert head is not None
    assert (head.level, head.logger) == (level, logger)
    assert line[head.at :].startswith(message)


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-11-24 00:12:05,123 ERROR x", "2026-11-24 00:12:05,123"),
        ("2025-04-12 00:14:12.837 CEST [1329108] ERROR:  x", "2025-04-12 00:14:12.837 CEST"),
        ("[2026-11-30 11:37:19,448: ERROR/MainProcess] x", "2026-11-30 11:37:19,448"),
        ("1:M 30 Nov 2026 11:37:18.721 * x", "30 Nov 2026 11:37:18.721"),
        ("[Mon Nov 30 11:37:18.721 2026] [core:error] x", "Mon Nov 30 11:37:18.721 2026"),
        ("Nov 30, 2026 11:37:18 AM com.shop.Cart pay", "Nov 30, 2026 11:37:18 AM"),
        ("<34>Oct 11 22:14:15 mymachine su: x", "Oct 11 22:14:15"),
        ("[30-Nov-2026 11:37:18 Europe/Berlin] PHP Notice:  x", "30-Nov-2026 11:37:18 Europe/Berlin"),
        ("INFO: \t 2026-11-30 11:37:19,075 app.api:77 [-] GET /", "2026-11-30 11:37:19,075"),
        ("2026-11-30 11:37:18 INFO:nothing", "2026-11-30 11:37:18"),
    ],
)  # fmt: skip
def test_the_time_is_returned_as_written(line: str, time: str) -> None:
    """Zone and fraction stay; nothing is converted."""
    head = head_of(line)
    assert head is not None
    assert head.time == time


@pytest.mark.parametrize(
    ("line", "correlation_id"),
    [
        ("INFO: \t 2026-11-30 11:37:19,075 app.api:77 [cc6f2b9d1b7a4d2d9b8c5f0a6a7b8c9d] GET /", "cc6f2b9d1b7a4d2d9b8c5f0a6a7b8c9d"),
        ("INFO: \t 2026-11-30 11:37:19,075 app.api:77 [-] GET /", None),
        ("INFO: \t 2026-11-30 11:37:19,075 app.api:77 [None] GET /", None),
        ("I, [2026-11-30T11:37:18.721000 #7]  INFO -- : [7f3c-req-1] Started", "7f3c-req-1"),
        ("I, [2026-11-30T11:37:18.721000 #7]  INFO -- : [ActiveJob] Enqueued", None),
        ("2026-11-30T11:37:18.721Z  INFO 1 --- [pay] [exec-1] [65f1a2b3c4d5e6f7a8b9c0d1e2f30415-a8b9c0d1e2f30415] c.e.Pay : x", "65f1a2b3c4d5e6f7a8b9c0d1e2f30415"),
        ("2026-11-30 11:37:18.721  INFO [pay,65f1a2b3c4d5e6f7,a8b9c0d1e2f30415] 1 --- [main] c.e.Foo : x", "65f1a2b3c4d5e6f7"),
        ("2026-11-30T11:37:18.721Z\t7f3c0000-aaaa-bbbb-cccc-0123456789ab\tERROR\tx", "7f3c0000-aaaa-bbbb-cccc-0123456789ab"),
        ("08:15:31.123 application=a request_id=GJtTqkH1Yxk9LAAAAC4h [info] GET /", "GJtTqkH1Yxk9LAAAAC4h"),
        ("2026-11-30 11:37:18.721  INFO [pay,,] 1 --- [main] c.e.Foo : x", None),
        ("2026-11-30 11:37:18 INFO shop.cart: list [7f3c-req-1] of ids", None),
    ],
)  # fmt: skip
def test_an_id_is_read_in_its_place(line: str, correlation_id: str | None) -> None:
    """Ids of asgi-correlation-id, Rails and Sleuth; a placeholder, a plain tag and a bracket in a sentence are none."""
    head = head_of(line)
    assert head is not None
    assert head.correlation_id == correlation_id


@pytest.mark.parametrize(
    "line",
    [
        "", " ", "\t\t", "hello: world", "Request validation error: name", "an ERROR occurred", "I am here", "E 1",
        "INFORMATIONAL: x", "errors: 3", "infox: y", "Informed [ERROR] x", "(ERROR) x", "fatality", "Warnings: none",
        "May the force be with you", "Sunday morning", "PHPUnit 9.5", "npm install", "[1, 2, 3]", "[ok] fine",
        "<html>", "<999>Oct 11 22:14:15 a b: c", "1:M is a race", "12 errors", "at foo (bar.js:1)", "panic: boom",
        "debugging is on", "    error: str = 'x'", "  warn: bool", "DETAIL:  Key (id)=(1) exists", "HINT:  grant it", "error handling: see ERROR", "user=bob password=x", "FROM users WHERE level=1",
    ],
)  # fmt: skip
def test_a_level_word_in_a_sentence_means_nothing(line: str) -> None:
    """Only a recognised place counts."""
    head = head_of(line)
    assert head is None or head.level is None


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-30 11:37:18 error while parsing", "2026-11-30 11:37:18 user error while parsing",
        "2026-11-30 11:37:18 Received 3 errors", "2026-11-30T11:37:18Z GET /error", "2026-11-30 11:37:18 - just text",
        "2026/11/30 11:37:18 http: panic serving 1.2.3.4:5: boom",
    ],
)  # fmt: skip
def test_a_time_without_a_level_keeps_its_time(line: str) -> None:
    """The time is read, and no level is guessed from the sentence."""
    head = head_of(line)
    assert head is not None
    assert head.time is not None
    assert head.level is None


@given(st.text(max_size=80) | st.text(alphabet="[]<>:- IERO019TZ,.\t|#*", max_size=60))
def test_any_text_has_a_head_or_none(text: str) -> None:
    """Nothing raises, and a level is always one of the schema's."""
    head = head_of(text)
    if head is not None:
        assert head.level in (None, *SCHEMA_LEVELS)
        assert 0 <= head.at <= len(text)


def test_every_word_means_a_level_of_the_schema() -> None:
    """The spellings of heads extend those of the schema and map to its levels."""
    assert LEVELS.items() <= WORDS.items()
    assert set(WORDS.values()) <= set(SCHEMA_LEVELS)


@pytest.mark.parametrize("word", ["-", "null", "None", "N/A", "0", "0000000000000000", "unknown"])
def test_a_placeholder_in_the_place_of_an_id_is_none(word: str) -> None:
    """The words are those of the fields of JSON."""
    head = head_of(f"INFO: \t  2026-11-30 11:37:19,075 app.api:77 [{word}] GET /")
    assert head is not None
    assert head.correlation_id is None
