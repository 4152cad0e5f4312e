// Numbers for Prometheus: one registry that holds every metric of the table, how each gets its values, and their listener,
// away from the public address.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import {
  type CounterName,
  type GaugeName,
  type LabelsOf,
  type MetricDefinition,
  metrics as table,
} from '../../vocabulary/metrics.ts';
import { type Timings, timedParts } from './timings.ts';

/** One value, or one for each value of the only label. */
export type Reading = number | Readonly<Record<string, number>>;

export interface Metrics {
  readonly registry: Registry;
  beginRequest(): void;
  observeRequest(request: {
    route: string;
    method: string;
    status: number;
    milliseconds: number;
    timings: Timings;
  }): void;
  count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, by?: number): void;
  /** Read when the numbers are asked for; a reader that fails or takes too long leaves its metric out. */
  read(name: GaugeName | CounterName, read: () => Reading | Promise<Reading>): void;
  text(): Promise<string>;
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const readers = new Map<string, () => Reading | Promise<Reading>>();
  const { counters, histograms } = registerTable(registry, readers);
  const requests = of(counters, 'gatehouse_http_requests_total');
  const duration = of(histograms, 'gatehouse_http_request_duration_seconds');
  let inFlight = 0;
  readers.set('gatehouse_http_requests_in_flight', () => inFlight);
  const waited = of(histograms, 'gatehouse_request_wait_seconds');
  const waits = of(counters, 'gatehouse_request_waits_total');
  return {
    registry,
    beginRequest() {
      inFlight += 1;
    },
    observeRequest({ route, method, status, milliseconds, timings }) {
      inFlight -= 1;
      requests.inc({ route, method, status });
      duration.observe({ route, method }, milliseconds / 1000);
      for (const part of timedParts) {
        const count = timings.count(part);
        if (count === 0) continue;
        waits.inc({ part }, count);
        waited.observe({ part }, timings.milliseconds(part) / 1000);
      }
    },
    count: (name, labels, by = 1) => of(counters, name).inc({ ...labels }, by),
    read: (name, read) => readers.set(name, read),
    text: () => registry.metrics(),
  };
}

type Readers = ReadonlyMap<string, () => Reading | Promise<Reading>>;
type Shape = Pick<MetricDefinition, 'labels' | 'help' | 'across'>;

function registerTable(registry: Registry, readers: Readers) {
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  for (const [name, shape] of Object.entries<MetricDefinition>(table)) {
    if (shape.type === 'counter') counters.set(name, newCounter(name, shape, registry, readers));
    else if (shape.type === 'gauge') newGauge(name, shape, registry, readers);
    else histograms.set(name, new Histogram({ ...settingsOf(name, shape, registry), buckets: BUCKETS }));
  }
  return { counters, histograms };
}

function settingsOf(name: string, { labels, help, across }: Shape, registry: Registry) {
  return { name, help, labelNames: labels, registers: [registry], aggregator: across };
}

function newGauge(name: string, shape: Shape, registry: Registry, readers: Readers): Gauge {
  return new Gauge({
    ...settingsOf(name, shape, registry),
    async collect() {
      const reading = await readingOf(readers.get(name));
      this.reset();
      for (const [labels, value] of valuesOf(shape, reading)) this.set(labels, value);
      // Without a value it would read 0, as if Redis were away where there is none.
      if (reading === undefined && shape.labels.length === 0) this.remove();
    },
  });
}

function newCounter(name: string, shape: Shape, registry: Registry, readers: Readers): Counter {
  return new Counter({
    ...settingsOf(name, shape, registry),
    async collect() {
      const read = readers.get(name);
      const reading = await readingOf(read);
      if (read !== undefined) this.reset();
      for (const [labels, value] of valuesOf(shape, reading)) this.inc(labels, value);
    },
  });
}

/** /metrics must answer while the database is away, which is when it is looked at. */
const READ_MILLISECONDS = 1000;

async function readingOf(read: (() => Reading | Promise<Reading>) | undefined): Promise<Reading | undefined> {
  if (read === undefined) return undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, READ_MILLISECONDS, undefined);
  });
  try {
    return await Promise.race([read(), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function valuesOf(
  { labels: [label] }: Shape,
  reading: Reading | undefined,
): [labels: Record<string, string>, value: number][] {
  if (reading === undefined) return [];
  if (typeof reading === 'number') return [[{}, reading]];
  return Object.entries(reading).map(([word, value]) => [
    label === undefined ? {} : { [label]: word },
    value,
  ]);
}

function of<T>(made: ReadonlyMap<string, T>, name: string): T {
  const metric = made.get(name);
  if (metric === undefined) throw new Error(`there is no metric ${name}`);
  return metric;
}
export interface MetricsListener {
  readonly port: number;
  stop(): Promise<void>;
}

/** Answers GET /metrics and nothing else; loopback unless the operator says otherwise. */
export async function metricsListener(deps: {
  metrics: Pick<Metrics, 'registry' | 'text'>;
  host: string;
  port: number;
}): Promise<MetricsListener> {
  const { metrics } = deps;
  const server = createServer((req, res) => {
    if (req.method !== 'GET' || req.url !== '/metrics') {
      res.writeHead(404).end();
      return;
    }
    metrics.text().then(
      (text) => res.writeHead(200, { 'Content-Type': metrics.registry.contentType }).end(text),
      () => res.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(deps.port, deps.host, resolve);
  });
  return {
    // A listening TCP server always has an address of this kind.
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
