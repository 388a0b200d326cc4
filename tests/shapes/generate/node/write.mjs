// Events of Node's loggers at a fixed instant, each printed as one line of JSON with its truth.

import { once } from 'node:events';
import { Writable } from 'node:stream';
import { execFileSync } from 'node:child_process';

const MS = Date.parse('2026-04-07T06:05:04.321Z');
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length ? parts : [MS]));
  }
  static now() {
    return MS;
  }
};

const { default: pino } = await import('pino');
const { default: pinoHttp } = await import('pino-http');
const { ecsFormat } = await import('@elastic/ecs-pino-format');
const { ecsFormat: winstonEcs } = await import('@elastic/ecs-winston-format');
const { default: winston } = await import('winston');
const { default: bunyan } = await import('bunyan');
const { default: fastify } = await import('fastify');
const { default: morgan } = await import('morgan');
const { default: log4js } = await import('log4js');
await import('reflect-metadata');
const { ConsoleLogger } = await import('@nestjs/common');

const ID = '0b9c2f64-7c1e-4d53-a1f0-4f2c8b7d6e55';
const TRACE = '9e107d9d372bb6826bd81d3542a419d6';
const NAMES = { trace: 'trace', debug: 'debug', info: 'info', warn: 'warning', error: 'error', fatal: 'critical' };
const print = console.log.bind(console);

class Sink extends Writable {
  text = '';
  _write(chunk, _encoding, done) {
    this.text += chunk;
    done();
  }
  take() {
    const text = this.text;
    this.text = '';
    return text;
  }
}

function emit(shape, kind, text, expect) {
  print(JSON.stringify({ shape, kind, lines: text.replace(/\n$/, '').split('\n'), expect }));
}

class BerthTakenError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = 'BerthTakenError';
  }
}

function taken() {
  try {
    JSON.parse('{x');
  } catch (cause) {
    return new BerthTakenError('berth B7 is taken', { cause });
  }
}

function pinos() {
  const sink = new Sink();
  const forms = {
    'pino': {},
    'pino with a name': { name: 'berths' },
    'pino, ISO times and labels': { timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    'pino, seconds and another key': { timestamp: pino.stdTimeFunctions.unixTime, messageKey: 'message' },
    'pino ECS': ecsFormat(),
  };
  for (const [shape, options] of Object.entries(forms)) {
    const logger = pino({ ...options, level: 'trace' }, sink);
    const time_ms = shape.includes('seconds') ? Math.floor(MS / 1000) * 1000 : MS;
    for (const [name, level] of Object.entries(NAMES)) {
      logger[name]({ requestId: ID, berth: 7 }, `${name} about a berth`);
      emit(shape, 'app', sink.take(), { level, message: `${name} about a berth`, correlation_id: ID, time_ms });
    }
    logger.error(taken(), 'cannot moor');
    emit(shape, 'app', sink.take(), { level: 'error', message: 'cannot moor', time_ms, stack: true });
    logger.warn({ trace_id: TRACE }, 'berth is taken');
    emit(shape, 'app', sink.take(), { level: 'warning', message: 'berth is taken', correlation_id: TRACE, time_ms });
  }
}

async function pinoHttps() {
  const sink = new Sink();
  const http = await import('node:http');
  const middleware = pinoHttp({ logger: pino({}, sink), genReqId: () => ID });
  const server = http.createServer((request, response) => {
    middleware(request, response);
    response.statusCode = 404;
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await (await fetch(`http://127.0.0.1:${server.address().port}/berths/7?full=1`)).text();
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.closeAllConnections();
  server.close();
  emit('pino-http', 'app', sink.take(), { message: 'request completed', correlation_id: ID, method: 'GET', path: '/berths/7', status_code: 404, time_ms: MS });
}

async function fastifys() {
  const sink = new Sink();
  const application = fastify({ logger: { stream: sink } });
  application.post('/berths', async (request, reply) => reply.code(409).send({}));
  application.get('/broken', async () => {
    throw taken();
  });
  await application.inject({ method: 'POST', url: '/berths?full=1' });
  await application.inject({ method: 'GET', url: '/broken' });
  const expected = [
    { level: 'info', message: 'incoming request', correlation_id: 'req-1', method: 'POST', path: '/berths' },
    { level: 'info', message: 'request completed', correlation_id: 'req-1', status_code: 409 },
    { level: 'info', message: 'incoming request', correlation_id: 'req-2', method: 'GET', path: '/broken' },
    { level: 'error', message: 'berth B7 is taken', correlation_id: 'req-2', stack: true },
    { level: 'info', message: 'request completed', correlation_id: 'req-2', status_code: 500 },
  ];
  sink.take().trim().split('\n').forEach((line, at) => emit('fastify', 'app', line, { ...expected[at], time_ms: MS }));
}

function winstons() {
  const { combine, timestamp, json, errors, printf, colorize, simple, logstash } = winston.format;
  const sink = new Sink();
  const forms = {
    'winston JSON': ['app', combine(errors({ stack: true }), timestamp(), json()), { time_ms: MS }],
    'winston ECS': ['app', winstonEcs({ convertErr: true }), { time_ms: MS }],
    'winston logstash': ['app', combine(timestamp(), logstash()), {}],
    'winston printf': ['text', combine(timestamp(), printf((info) => `${info.timestamp} [berths] ${info.level}: ${info.message}`)), {}],
    'winston simple, colours': ['text', combine(colorize(), simple()), {}],
  };
  for (const [shape, [kind, format, times]] of Object.entries(forms)) {
    const logger = winston.createLogger({ level: 'debug', format, transports: [new winston.transports.Stream({ stream: sink })] });
    for (const name of ['debug', 'info', 'warn', 'error']) {
      logger.log(name, `${name} about a berth`, { requestId: ID });
      const ids = kind === 'app' && !shape.includes('logstash') ? { correlation_id: ID } : {};
      const levels = shape.includes('logstash') ? {} : { level: NAMES[name] };
      emit(shape, kind, sink.take(), { ...levels, message: `${name} about a berth`, ...ids, ...times });
    }
    if (shape === 'winston JSON') {
      logger.error(taken());
      emit(shape, kind, sink.take(), { level: 'error', message: 'berth B7 is taken', stack: true, ...times });
    }
  }
}

function bunyans() {
  const sink = new Sink();
  const logger = bunyan.createLogger({ name: 'berths', level: 'trace', stream: sink, serializers: bunyan.stdSerializers });
  for (const [name, level] of Object.entries(NAMES)) {
    logger[name]({ req_id: ID }, `${name} about a berth`);
    emit('bunyan', 'app', sink.take(), { level, message: `${name} about a berth`, correlation_id: ID, time_ms: MS, logger: 'berths' });
  }
  logger.error(taken(), 'cannot moor');
  emit('bunyan', 'app', sink.take(), { level: 'error', message: 'cannot moor', time_ms: MS, stack: true });
}

function morgans() {
  const sink = new Sink();
  const request = {
    method: 'GET', url: '/berths/7?full=1', originalUrl: '/berths/7?full=1', httpVersionMajor: 1, httpVersionMinor: 1,
    headers: { 'user-agent': 'curl/8.5.0' }, ip: '10.0.0.7', _startAt: [100, 0], _startTime: new Date(),
  };
  const response = { headersSent: true, statusCode: 404, getHeader: () => '12', _startAt: [100, 45_201_000] };
  for (const format of ['combined', 'common', 'dev', 'short', 'tiny']) {
    const render = typeof morgan[format] === 'function' ? morgan[format] : morgan.compile(morgan[format]);
    const line = render(morgan, request, response);
    const durations = ['dev', 'short', 'tiny'].includes(format) ? { duration: 45.201 } : {};
    emit(`morgan ${format}`, 'text', line, { method: 'GET', path: '/berths/7', status_code: 404, ...durations });
  }
  sink.end();
}

function log4s() {
  const layouts = { 'log4js basic': 'basic', 'log4js colored': 'colored' };
  for (const [shape, layout] of Object.entries(layouts)) {
    const lines = [];
    const appender = { configure: (_config, available) => (event) => lines.push(available[`${layout}Layout`](event)) };
    log4js.configure({ appenders: { out: { type: appender } }, categories: { default: { appenders: ['out'], level: 'trace' } } });
    for (const [name, level] of Object.entries(NAMES)) {
      log4js.getLogger('berths')[name](`${name} about a berth`);
      emit(shape, 'text', lines.pop(), { level, message: `${name} about a berth` });
    }
  }
}

function nests() {
  const written = [];
  const [out, error] = [process.stdout.write, process.stderr.write];
  const levels = { log: 'info', warn: 'warning', error: 'error', fatal: 'critical', debug: 'debug' };
  for (const [shape, options] of Object.entries({
    'NestJS': { colors: false }, 'NestJS, colours': { colors: true }, 'NestJS JSON': { json: true, colors: false },
  })) {
    const logger = new ConsoleLogger('BerthService', options);
    for (const [name, level] of Object.entries(levels)) {
      process.stdout.write = process.stderr.write = (chunk) => written.push(String(chunk));
      logger[name](`${name} about a berth`);
      process.stdout.write = out;
      process.stderr.write = error;
      const times = options.json ? { time_ms: MS } : {};
      emit(shape, options.json ? 'app' : 'text', written.splice(0).join(''), { level, message: `${name} about a berth`, ...times });
    }
  }
}

function uncaught() {
  const programs = [
    "function moor() { throw new RangeError('berth B7 is taken', { cause: new Error('no tug') }) } moor()",
    "Promise.reject(new TypeError('berth B7 is taken'))",
    "console.log('before'.length); null.moor()",
  ];
  const types = ['RangeError', 'TypeError', 'TypeError'];
  programs.forEach((program, at) => {
    try {
      execFileSync(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
    } catch (failure) {
      emit('Node uncaught', 'stack', String(failure.stderr), { level: 'error', error_type: types[at], stack: true });
    }
  });
}

pinos();
await pinoHttps();
await fastifys();
winstons();
bunyans();
morgans();
log4s();
nests();
uncaught();
