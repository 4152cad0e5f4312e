// What a primary and its workers say to each other over the channel that node:cluster opens between them.
import type { MetricObjectWithValues, MetricValue } from 'prom-client';

export type WorkerMetrics = MetricObjectWithValues<MetricValue<string>>[];

/** From a worker. */
export type WorkerMessage =
  | { readonly gatehouse: 'ready'; readonly port: number }
  | { readonly gatehouse: 'metrics'; readonly id: number; readonly metrics: WorkerMetrics };

/** To a worker. `rolling`: another one has taken its place already. */
export type PrimaryMessage =
  | { readonly gatehouse: 'stop'; readonly rolling: boolean }
  | { readonly gatehouse: 'metrics'; readonly id: number };

/** Others (the metrics library, a debugger) may use the channel too. */
export function isOurs<Message extends WorkerMessage | PrimaryMessage>(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'gatehouse' in message;
}
