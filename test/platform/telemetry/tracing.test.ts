// Traces as a receiver of OTLP gets them: spans of requests and of their waits, whose trace they belong to, and no harm.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { parseTraceparent } from '../../../src/platform/telemetry/otlp.ts';
import { startTracing } from '../../../src/platform/telemetry/start-tracing.ts';
import { createTimings } from '../../../src/platform/telemetry/timings.ts';
import type { TracingSettings } from '../../../src/platform/telemetry/tracing.ts';

interface SentSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
  status: { code?: number };
  links?: { traceId: string; spanId: string }[];
}

const received: { spans: SentSpan[]; bodies: string[]; headers: IncomingHttpHeaders[]; services: unknown[] } =
  {
    spans: [],
    bodies: [],
    headers: [],
    services: [],
  };
let receiver: Server;
let endpoint = '';

beforeAll(async () => {
  receiver = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      if (req.url === '/v1/traces') take(text, req.headers);
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(() => {
  receiver.close();
  receiver.closeAllConnections();
});

function take(text: string, headers: IncomingHttpHeaders): void {
  const body = JSON.parse(text);
  received.bodies.push(text);
  received.headers.push(headers);
  for (const resource of body.resourceSpans) {
    received.services.push(resource.resource.attributes);
    for (const scope of resource.scopeSpans) received.spans.push(...scope.spans);
  }
}

const settings = (over: Partial<TracingSettings> = {}): TracingSettings => ({
  endpoint,
  headers: undefined,
  serviceName: 'gatehouse-under-test',
  sampleRatio: 1,
  ...over,
});

async function open(over: Partial<TracingSettings> = {}) {
  const tracing = await startTracing({ tracing: settings(over) }, silentLog);
  if (tracing === undefined) throw new Error('there is an endpoint');
  return tracing;
}

const REMOTE = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const traceparent = (flags = '01') => `00-${REMOTE.traceId}-${REMOTE.spanId}-${flags}`;

/** One request from its begin to its end; answers the spans that the receiver got for it. */
async function trace(request: { parent?: string; believed?: boolean; status?: number }, over = {}) {
  const tracing = await open(over);
  const begun = tracing.begin({ parent: request.parent, isBelieved: () => request.believed ?? false });
  const timings = createTimings(begun.sampled);
  // In the past: the library takes a number from the future for another kind of time.
  const now = performance.now() - 10;
  timings.add('database', now, now + 4, false);
  timings.add('signing', now + 4, now + 5, true);
  begun.end(
    {
      method: 'POST',
      route: '/token',
      status: request.status ?? 200,
      outcome: 'ok',
      milliseconds: 6,
      timings,
      clientId: 'app',
      accountId: 'acc_1',
      traceId: begun.traceId,
      callerRequestId: null,
    },
    'request-1',
  );
  await tracing.stop();
  return { begun, spans: received.spans.filter(({ traceId }) => traceId === begun.traceId) };
}

const attributesOf = (span: SentSpan | undefined) =>
  Object.fromEntries(
    span?.attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]) ?? [],
  );
const nanoseconds = (span: SentSpan) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano));

describe('a trace', () => {
  it('is a span for the request, and one within it for each of its waits', async () => {
    const { spans } = await trace({});
    const server = spans.find(({ name }) => name === 'POST /token');
    expect(server?.kind).toBe(2);
    expect(attributesOf(server)).toEqual({
      'http.request.method': 'POST',
      'http.route': '/token',
      'http.response.status_code': 200,
      'gatehouse.outcome': 'ok',
      'gatehouse.request_id': 'request-1',
      'gatehouse.client_id': 'app',
    });
    const waits = spans.filter(({ parentSpanId }) => parentSpanId === server?.spanId);
    expect(waits.map(({ name, kind, status }) => [name, kind, status.code ?? 0])).toEqual([
      ['database', 3, 0],
      ['signing', 1, 2],
    ]);
    expect(waits.map((wait) => Math.round(nanoseconds(wait) / 1e6))).toEqual([4, 1]);
    const begun = Number(BigInt(server?.startTimeUnixNano ?? 0) / 1_000_000n);
    expect(Math.abs(Date.now() - begun)).toBeLessThan(30_000);
    expect(JSON.stringify(received.services)).toContain('gatehouse-under-test');
  });

  it('is an error only when the server failed', async () => {
    expect((await trace({ status: 400 })).spans.find(({ kind }) => kind === 2)?.status.code ?? 0).toBe(0);
    expect((await trace({ status: 503 })).spans.find(({ kind }) => kind === 2)?.status.code).toBe(2);
  });

  it('belongs to the trace of a trusted proxy', async () => {
    const { begun, spans } = await trace({ parent: traceparent(), believed: true });
    expect(begun.traceId).toBe(REMOTE.traceId);
    expect(spans.find(({ kind }) => kind === 2)?.parentSpanId).toBe(REMOTE.spanId);
  });

  it('is kept or not as that proxy decided', async () => {
    const { begun } = await trace({ parent: traceparent('00'), believed: true });
    expect(begun.sampled).toBe(false);
    expect((await trace({ parent: traceparent(), believed: true }, { sampleRatio: 0 })).begun.sampled).toBe(
      true,
    );
  });

  it('is only linked to the trace of a stranger, who decides nothing', async () => {
    const { begun, spans } = await trace({ parent: traceparent('00') });
    expect(begun.traceId).not.toBe(REMOTE.traceId);
    expect(spans.find(({ kind }) => kind === 2)?.links).toMatchObject([REMOTE]);
    const unsampled = await trace({ parent: traceparent('01') }, { sampleRatio: 0 });
    expect([unsampled.begun.sampled, unsampled.spans]).toEqual([false, []]);
  });

  it('is kept in the share that is set', async () => {
    const tracing = await open({ sampleRatio: 0.25 });
    const kept = Array.from({ length: 2000 }, () =>
      tracing.begin({ parent: undefined, isBelieved: () => false }),
    ).filter(({ sampled }) => sampled);
    await tracing.stop();
    expect(kept.length).toBeGreaterThan(400);
    expect(kept.length).toBeLessThan(600);
  });

  it('is sent with the headers that its receiver wants', async () => {
    await trace({}, { headers: 'x-tenant=blue,x-key=a%2Cb' });
    expect(received.headers.at(-1)).toMatchObject({ 'x-tenant': 'blue', 'x-key': 'a,b' });
  });
});

describe('traceparent', () => {
  it.each([
    ['', 'nothing'],
    [`00-${'0'.repeat(32)}-${REMOTE.spanId}-01`, 'a trace of zeros'],
    [`00-${REMOTE.traceId}-${'0'.repeat(16)}-01`, 'a span of zeros'],
    [`ff-${REMOTE.traceId}-${REMOTE.spanId}-01`, 'version ff'],
    [`00-${REMOTE.traceId.toUpperCase()}-${REMOTE.spanId}-01`, 'capitals'],
    [`00-${REMOTE.traceId}-${REMOTE.spanId}-01-more`, 'more than version 00 has'],
    [`00-${REMOTE.traceId}-${REMOTE.spanId}`, 'no flags'],
  ])('%s is not valid: %s', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it('of a later version is read as far as it is known', () => {
    expect(parseTraceparent(`01-${REMOTE.traceId}-${REMOTE.spanId}-03-more`)).toMatchObject({
      ...REMOTE,
      traceFlags: 1,
    });
  });
});

describe('a receiver', () => {
  it('that is away delays neither a request nor the stop, is complained of once, and its losses are counted', async () => {
    const complaints: string[] = [];
    const log = { ...silentLog, warn: (message: string) => void complaints.push(message) };
    const tracing = await startTracing({ tracing: settings({ endpoint: 'http://127.0.0.1:9' }) }, log);
    const began = performance.now();
    for (let request = 0; request < 600; request += 1) {
      const begun = tracing?.begin({ parent: undefined, isBelieved: () => false });
      const timings = createTimings(true);
      begun?.end(
        {
          method: 'GET',
          route: '/jwks',
          status: 200,
          outcome: 'ok',
          milliseconds: 1,
          timings,
          clientId: null,
          accountId: null,
          traceId: null,
          callerRequestId: null,
        },
        'r',
      );
    }
    expect(performance.now() - began).toBeLessThan(1000);
    await delay(50);
    const stopping = performance.now();
    await tracing?.stop();
    expect(performance.now() - stopping).toBeLessThan(4000);
    await delay(2500);
    expect(complaints).toHaveLength(1);
    expect(tracing?.lost()).toBe(600);
  });

  it('is not there without a setting, and neither are traces', async () => {
    expect(await startTracing({ tracing: settings({ endpoint: undefined }) }, silentLog)).toBeUndefined();
  });
});
