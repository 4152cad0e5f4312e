// Spans by OpenTelemetry, sent to an OTLP receiver over HTTP. Loaded by tracing.ts only where there is one.
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { withoutOrigin } from '../origin.ts';
import type { Log } from './log.ts';
import type { AnsweredRequest } from './request-log.ts';
import type { Stretch, TimedPart } from './timings.ts';
import type { Trace, TracedRequest, Tracing, TracingSettings } from './tracing.ts';

const EXPORT_TIMEOUT_MILLISECONDS = 5_000;
const STOP_MILLISECONDS = 3_000;
/** Spans waiting to be sent; beyond it new ones are dropped, so that a receiver that is away costs nothing more. */
const MAX_WAITING = 8192;

type Settings = TracingSettings & { readonly endpoint: string };

export function createTracing(settings: Settings, deps: { log: Log }): Tracing {
  const exporter = countLost(exporterOf(settings), deps.log);
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: MAX_WAITING,
    scheduledDelayMillis: 1_000,
    exportTimeoutMillis: EXPORT_TIMEOUT_MILLISECONDS,
  });
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(settings.sampleRatio) }),
    resource: resourceFromAttributes({ 'service.name': settings.serviceName }),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('gatehouse');
  return {
    begin: (request) => beginTrace(tracer, request),
    lost: exporter.lost,
    async stop() {
      const stopped = provider.shutdown().catch(() => undefined);
      await Promise.race([stopped, delay(STOP_MILLISECONDS, undefined, { ref: false })]);
    },
  };
}

function beginTrace(tracer: Tracer, request: TracedRequest): Trace {
  const remote = request.parent === undefined ? undefined : parseTraceparent(request.parent);
  const believed = remote !== undefined && request.isBelieved();
  const parent = believed ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
  // A stranger decides neither whether we keep a trace nor which one it belongs to.
  const links: Link[] = remote !== undefined && !believed ? [{ context: remote }] : [];
  const span = tracer.startSpan(
    'request',
    { kind: SpanKind.SERVER, startTime: performance.now(), links },
    parent,
  );
  return {
    traceId: span.spanContext().traceId,
    sampled: span.isRecording(),
    end(answered, requestId) {
      // The timer that sends it must not carry the origin of whichever request came first.
      if (span.isRecording()) withoutOrigin(() => endTrace(tracer, span, answered, requestId));
    },
  };
}

function endTrace(tracer: Tracer, span: Span, answered: AnsweredRequest, requestId: string): void {
  const { method, route, status, outcome, clientId, timings } = answered;
  span.updateName(`${method} ${route}`);
  span.setAttributes({
    'http.request.method': method,
    'http.route': route,
    'http.response.status_code': status,
    'gatehouse.outcome': outcome,
    'gatehouse.request_id': requestId,
    ...(clientId === null ? {} : { 'gatehouse.client_id': clientId }),
  });
  // By the conventions of OpenTelemetry a refusal is no error of the server.
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  const within = trace.setSpan(ROOT_CONTEXT, span);
  for (const stretch of timings.stretches) addStretch(tracer, within, stretch);
  span.end(performance.now());
}

const KINDS: Readonly<Record<TimedPart, SpanKind>> = {
  database: SpanKind.CLIENT,
  redis: SpanKind.CLIENT,
  outgoing: SpanKind.CLIENT,
  hashing: SpanKind.INTERNAL,
  signing: SpanKind.INTERNAL,
};

function addStretch(tracer: Tracer, within: Context, { part, startedAt, endedAt, failed }: Stretch): void {
  const child = tracer.startSpan(part, { kind: KINDS[part], startTime: startedAt }, within);
  if (failed) child.setStatus({ code: SpanStatusCode.ERROR });
  child.end(endedAt);
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** W3C Trace Context §3.2: version ff and identifiers of zeros are invalid; later versions may say more after the flags. */
export function parseTraceparent(text: string): SpanContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}

function exporterOf({ endpoint, headers }: Settings): SpanExporter {
  return new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers: parseHeaders(headers ?? ''),
    timeoutMillis: EXPORT_TIMEOUT_MILLISECONDS,
  });
}

/** `name=value,name=value`, the values percent-encoded where they hold commas. */
function parseHeaders(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => pair.trim());
  return Object.fromEntries(
    pairs.filter((pair) => pair.includes('=')).map((pair) => [textBefore(pair), textAfter(pair)]),
  );
}

const textBefore = (pair: string) => pair.slice(0, pair.indexOf('=')).trim();

function textAfter(pair: string): string {
  const value = pair.slice(pair.indexOf('=') + 1).trim();
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const COMPLAIN_EVERY_MILLISECONDS = 60_000;

/** A receiver that is away is told of once a minute, and hurts nobody else. */
function countLost(exporter: SpanExporter, log: Log): SpanExporter & { lost(): number } {
  let lost = 0;
  let complainedAt = Number.NEGATIVE_INFINITY;
  return {
    lost: () => lost,
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined) {
          lost += spans.length;
          if (performance.now() - complainedAt >= COMPLAIN_EVERY_MILLISECONDS) {
            complainedAt = performance.now();
            log.warn('Traces were not taken by their receiver', { spans: spans.length, error: result.error });
          }
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
