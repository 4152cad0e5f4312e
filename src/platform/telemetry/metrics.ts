// Numbers for Prometheus: one registry, the HTTP counters, and their own listener, away from the public address.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  readonly registry: Registry;
  observeRequest(request: { route: string; method: string; status: number; seconds: number }): void;
  /** A gauge read when the numbers are asked for: one value per name of its label. */
  gauge(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void;
  text(): Promise<string>;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'gatehouse_http_requests_total',
    help: 'Answered HTTP requests by route pattern, method and status.',
    labelNames: ['route', 'method', 'status'] as const,
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'gatehouse_http_request_duration_seconds',
    help: 'Time from the first byte of a request to its finished answer, by route pattern and method.',
    labelNames: ['route', 'method'] as const,
    buckets: BUCKETS,
    registers: [registry],
  });
  return {
    registry,
    observeRequest: ({ route, method, status, seconds }) => {
      // Clients choose the method's name; only known ones become a label.
      const known = METHODS.has(method) ? method : 'other';
      requests.inc({ route, method: known, status });
      duration.observe({ route, method: known }, seconds);
    },
    gauge: (name, help, label, read) => {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers: [registry],
        collect() {
          for (const [state, value] of Object.entries(read())) this.set({ [label]: state }, value);
        },
      });
    },
    text: () => registry.metrics(),
  };
}

export interface MetricsListener {
  readonly port: number;
  stop(): Promise<void>;
}

/** Answers GET /metrics and nothing else; loopback unless the operator says otherwise. */
export async function metricsListener(deps: {
  metrics: Metrics;
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
